"""Which language a page is in."""

from collections.abc import Mapping

from catalog.types import Language

LANGUAGE_COOKIE = "daogou_lang"


def page_language(cookies: Mapping[str, str], headers: Mapping[str, str]) -> Language:
    """The language chosen before, else Chinese if the browser names it before English."""
    chosen, accepted = cookies.get(LANGUAGE_COOKIE), headers.get("accept-language", "").lower()
    if chosen in ("en", "zh"):
        return "zh" if chosen == "zh" else "en"
    chinese, english = accepted.find("zh"), accepted.find("en")
    return "zh" if chinese >= 0 and (english < 0 or chinese < english) else "en"
