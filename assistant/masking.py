"""Personal data in what people write, taken out before it reaches a log or a model.

Recognisers for Presidio (Microsoft) that work next to Chinese characters, where word boundaries fail: e-mail,
phone, payment card, identity number and address, in Chinese and English.
"""

import logging
import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from assistant.process import hidden

if TYPE_CHECKING:
    from presidio_analyzer import EntityRecognizer, RecognizerResult

KINDS = ("EMAIL", "PHONE", "CARD", "ID", "ADDRESS")
_REGIONS = ("CN", "HK", "TW", "US", "GB")  # numbers without a country code are read as of these
_LANGUAGE = "en"  # Presidio wants one; the recognisers are for any
_EMAIL = r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9][A-Za-z0-9._%+-]*@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}"
_CARD = r"(?<![\d-])\d(?:[ -]?\d){13,18}(?![\d-])"  # with 13 digits it would be a barcode
_CHINESE_ID = (
    r"(?<![\dA-Za-z])[1-9]\d{5}(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?![\dA-Za-z])"
)
_PASSPORT = r"(?i)(?:(?<=护照)|(?<=护照号)|(?<=护照号码)|(?<=passport )|(?<=passport no )|(?<=passport number ))[：: 是is]*[A-Z]{1,2}\d{7,8}"
_SOCIAL = r"(?<![\d-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])"
# From a place name on, or a road with a number, to the door.
_CHINESE_ADDRESS = (
    r"(?:[\u4e00-\u9fff]{2,8}?(?:省|自治区))?(?:[\u4e00-\u9fff]{2,6}?市)?(?:[\u4e00-\u9fff]{1,6}?[区县])?"
    r"(?:[\u4e00-\u9fff]{1,6}?[镇乡])?[\u4e00-\u9fff]{1,8}?(?:路|街道?|大道|胡同|巷|弄|村)(?:[\u4e00-\u9fff]{0,2}\d+[\d-]*(?:号院?|弄))"
    r"(?:[\u4e00-\u9fff\dA-Za-z-]{0,10}?(?:号楼|栋|幢|座|楼|单元|室|小区|大厦|门))*(?:\d+[\d-]*(?:号楼|栋|幢|座|楼|单元|室|号|层)?)*"
)
_STREET = (
    r"\b\d{1,5}[A-Za-z]?\s+(?:[A-Z][\w'.]*\s+){1,4}(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|"
    r"Way|Terrace|Square|Sq|Place|Pl|Close|Crescent)\b\.?(?:,?\s+(?:Apt|Apartment|Unit|Suite|Flat|#)\.?\s*\w+)?"
    r"(?:,\s*[A-Z][\w' ]+)*(?:,?\s*[A-Z]{2}\s+\d{5}(?:-\d{4})?|,?\s*[A-Z]{1,2}\d[A-Z\d]?\s+\d[A-Z]{2})?"
)


def mask(text: str) -> str:
    """The text with personal data replaced by its kind, `[PHONE]`."""
    for start, end, kind in reversed(personal(text)):
        text = f"{text[:start]}[{kind}]{text[end:]}"
    return text


def personal(text: str) -> list[tuple[int, int, str]]:
    """(start, end, kind) of personal data, in order, none of it overlapping."""
    found: list[RecognizerResult] = []
    for recogniser in _recognisers():
        found += recogniser.analyze(text, recogniser.supported_entities, cast(Any, None)) or []
    taken: list[tuple[int, int, str]] = []
    for one in sorted(found, key=lambda r: (-r.score, r.start - r.end)):  # stable: an identity number is no card
        if all(one.end <= start or one.start >= end for start, end, _ in taken):
            taken.append((one.start, one.end, one.entity_type))
    return sorted(taken)


class MaskingFilter(logging.Filter):
    """Keeps personal data out of a log, in messages and in what exceptions say."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = mask(record.getMessage()), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = mask(logging.Formatter().formatException(record.exc_info))
        return True


@cache
def _recognisers() -> "Sequence[EntityRecognizer]":
    with hidden("torch", "transformers"):  # it takes in every engine for names that it sees installed
        from presidio_analyzer import EntityRecognizer, Pattern, PatternRecognizer, RecognizerResult
        from presidio_analyzer.nlp_engine import NlpArtifacts

    class Checked(PatternRecognizer):
        """A pattern, and a check of what it finds."""

        def __init__(self, kind: str, pattern: str, score: float, check: Callable[[str], bool] | None = None) -> None:
            self._check = check
            # Case counts: "183 cm tall by the way" is no address.
            super().__init__(
                kind,
                patterns=[Pattern(kind, pattern, score)],
                supported_language=_LANGUAGE,
                global_regex_flags=re.MULTILINE,
            )

        def validate_result(self, pattern_text: str) -> bool | None:
            return self._check(pattern_text) if self._check else None

    class Phones(EntityRecognizer):
        """Valid numbers of some countries, by Google's library."""

        def load(self) -> None:
            """There is nothing to load."""

        def analyze(
            self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
        ) -> list[RecognizerResult]:
            import phonenumbers

            finder, possible = phonenumbers.PhoneNumberMatcher, phonenumbers.Leniency.POSSIBLE
            matches = [m for region in _REGIONS for m in finder(text, region)]
            matches += finder(text, None, leniency=possible)  # with a country code, new numbers too
            return [RecognizerResult("PHONE", m.start, m.end, 0.7) for m in matches if len(m.raw_string) > 7]

    return (
        Checked("EMAIL", _EMAIL, 0.9),
        Checked("ID", _CHINESE_ID, 0.9, _chinese_id),
        Checked("ID", _PASSPORT, 0.8),
        Checked("ID", _SOCIAL, 0.75),
        Checked("CARD", _CARD, 0.8, _luhn),
        Checked("ADDRESS", _CHINESE_ADDRESS, 0.6),
        Checked("ADDRESS", _STREET, 0.6),
        Phones(supported_entities=["PHONE"], supported_language=_LANGUAGE),
    )


def _luhn(number: str) -> bool:
    """The check of payment cards (ISO/IEC 7812)."""
    digits = [int(c) for c in number if c.isdigit()][::-1]
    doubled = (sum(divmod(2 * d, 10)) for d in digits[1::2])
    return len(set(digits)) > 1 and (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _chinese_id(number: str) -> bool:
    """The check digit of identity numbers (GB 11643-1999)."""
    total = sum(int(c) * (2 ** (17 - n) % 11) for n, c in enumerate(number[:17]))
    return "10X98765432"[total % 11] == number[17].upper()
