import logging
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.evaluation.masking import run
from assistant.masking import MaskingFilter, mask, personal


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("打我电话13812345678吧", "打我电话[PHONE]吧"),
        ("邮箱li@example.com谢谢", "邮箱[EMAIL]谢谢"),
        ("mail a@b.com or call +1 415 555 2671", "mail [EMAIL] or call [PHONE]"),
        ("身份证310101198512120075", "身份证[ID]"),
        ("红色连衣裙，300以内，40码", "红色连衣裙，300以内，40码"),
        ("I'm 183 cm tall by the way", "I'm 183 cm tall by the way"),
        ("order 202411240018, barcode 4006381333931", "order 202411240018, barcode 4006381333931"),
    ],
)
def test_personal_data_is_named_by_its_kind(text: str, masked: str) -> None:
    assert mask(text) == masked
    assert mask(masked) == masked


@given(st.text(max_size=200))
def test_any_text_is_read_and_what_is_found_does_not_overlap(text: str) -> None:
    found = personal(text)
    assert all(a[1] <= b[0] for a, b in pairwise(found))
    assert all(0 <= start < end <= len(text) for start, end, _ in found)


def test_written_sentences_of_both_languages() -> None:
    ours = [row for row in run() if row["method"] == "ours"]
    assert [row["language"] for row in ours] == ["zh", "en"]
    assert all(row["precision"] >= 0.95 and row["recall"] >= 0.95 for row in ours)


def test_logs_hold_none_of_it(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("shop")
    log.addFilter(MaskingFilter())
    try:
        raise ValueError("no frame for 13812345678")
    except ValueError:
        log.exception("message of %s failed", "li@example.com")
    assert "13812345678" not in caplog.text
    assert "li@example.com" not in caplog.text
    assert "[EMAIL]" in caplog.text
