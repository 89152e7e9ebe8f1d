"""Beliefs about sizes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.sizing import EITHER, SURE, UNKNOWN, Worn, advise, believe, cut_of, place_of_body, scale_of
from catalog.fit import FITS, SILENCE, Voices
from catalog.types import ChartSize

CHART = [
    ChartSize("Tops", size, "", height, weight)
    for size, height, weight in [
        ("S", (155, 162), (44, 51)),
        ("M", (160, 168), (50, 58)),
        ("L", (166, 174), (57, 66)),
        ("XL", (172, 180), (65, 75)),
    ]
]
SCALE = scale_of([line.size for line in CHART])
KNOWN_CUT = (0.0, 0.1)


def advice(height: float, weight: float, *worn: Worn, cut: tuple[float, float] = KNOWN_CUT) -> tuple[str, str]:
    belief = believe(place_of_body(CHART, SCALE, height, weight), None, worn, SCALE)
    found = advise(belief, SCALE, cut, SCALE.places)
    return (found.size, found.other) if found.sure else ("", "")


def test_letters_are_one_scale_and_numbers_are_in_order() -> None:
    assert scale_of(["L", "M"]).system == scale_of(["XS", "S"]).system
    assert scale_of(["L", "M"]).places["l"] - scale_of(["L", "M"]).places["m"] == 1
    assert list(scale_of(["42", "9", "40"]).places) == ["9", "40", "42"]
    assert scale_of(["28", "30"], "jeans").system != scale_of(["28", "30"], "belts").system


def test_a_body_in_the_middle_of_a_size_takes_it() -> None:
    assert advice(164, 54) == ("m", "")
    assert advice(170, 61.5) == ("l", "")


def test_a_body_between_two_sizes_is_told_both() -> None:
    assert set(advice(167, 57.7)) == {"m", "l"}


def test_what_runs_small_is_taken_larger() -> None:
    small = cut_of(Voices(told={"small": 12, "right": 1}))
    assert small[0] < -0.6
    assert advice(164, 54, cut=small)[0] == "l"
    assert cut_of(SILENCE)[0] == pytest.approx(0, abs=1e-6)


def test_what_was_kept_and_sent_back_outweighs_the_chart() -> None:
    assert advice(164, 54, *[Worn("l", "right", KNOWN_CUT)] * 3, Worn("m", "small", KNOWN_CUT))[0] == "l"


def test_nothing_known_is_no_advice() -> None:
    assert believe(None, None, [], SCALE) is None
    assert believe(None, None, [Worn("44", "right", KNOWN_CUT)], SCALE) is None
    assert advise(None, SCALE, KNOWN_CUT, SCALE.places) is UNKNOWN


def test_a_body_beyond_the_chart_gets_no_size() -> None:
    assert advice(195, 120) == ("", "")


def test_height_alone_is_not_enough_for_one_size() -> None:
    found = advise(believe(place_of_body(CHART, SCALE, 164, None), None, [], SCALE), SCALE, KNOWN_CUT, SCALE.places)
    assert not found.sure or found.other


@given(
    st.floats(50, 250), st.floats(2, 300),
    st.lists(st.builds(Worn, st.sampled_from(["s", "m", "l", "xl"]), st.sampled_from(FITS), st.just(KNOWN_CUT)), max_size=12),
    st.dictionaries(st.sampled_from(FITS), st.integers(0, 200)),
)  # fmt: skip
def test_confidence_is_a_probability_and_thresholds_hold(
    height: float, weight: float, worn: list[Worn], told: dict[str, int]
) -> None:
    belief = believe(place_of_body(CHART, SCALE, height, weight), None, worn, SCALE)
    found = advise(belief, SCALE, cut_of(Voices(told=told)), SCALE.places)  # type: ignore[arg-type]
    assert 0 <= found.confidence <= 1 + 1e-9
    if found.sure and not found.other:
        assert found.confidence >= SURE
    if found.other:
        assert found.confidence >= EITHER / 2
