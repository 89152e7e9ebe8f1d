from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.amounts import (
    currency_said,
    normalize_measures,
    normalize_size,
    parse_amount,
    parse_height,
    parse_weight,
)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("300块", "300"), ("三百", "300"), ("一百二", "120"), ("两万三", "23000"), ("1.5万", "15000"), ("2k", "2000"),
        ("a hundred bucks", "100"), ("two hundred and fifty", "250"), ("€1.299,00", "1299.00"), ("￥88.5", "88.5"),
        ("hello", None), ("", None), ("...", None), ("半", None),
    ],
)  # fmt: skip
def test_amounts(text: str, amount: str | None) -> None:
    assert parse_amount(text) == (Decimal(amount) if amount else None)


@given(st.text(max_size=40))
def test_any_text_is_an_amount_or_none(text: str) -> None:
    amount = parse_amount(text)
    assert amount is None or amount.is_finite()


@given(st.integers(1, 99_999))
def test_whole_numbers_survive_their_spelling(number: int) -> None:
    assert parse_amount(f"{number:,}元") == number


@pytest.mark.parametrize("text", ["40L", "40 litres", "40升", "40-liter"])
def test_measures_have_one_spelling(text: str) -> None:
    assert normalize_measures(text.lower()) == "40l"


@pytest.mark.parametrize("text", ["42", "42码", "EU 42", "size 42", "欧码42"])
def test_sizes_have_one_spelling(text: str) -> None:
    assert normalize_size(text) == "42"


@given(st.text("0123456789.,'零一二两三十百千万亿半点元块斤米kwlbsgrand -$¥ft", max_size=300))
def test_whatever_is_written_no_amount_is_an_error(text: str) -> None:
    for read in (parse_amount, parse_height, parse_weight):
        value = read(text)
        assert value is None or value.is_finite()
    assert len(currency_said(text)) in (0, 3)
