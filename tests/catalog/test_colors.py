"""What colours a picture shows."""

import pytest
from PIL import Image, ImageDraw, ImageFilter

from catalog.colors import MOST, NAMED, color_names
from catalog.facets import Vocabulary


def drawn(ground: str, *shapes: tuple[tuple[int, int, int, int], str], blur: float = 0) -> Image.Image:
    picture = Image.new("RGB", (200, 160), ground)
    for box, color in shapes:
        ImageDraw.Draw(picture).ellipse(box, color)
    return picture.filter(ImageFilter.GaussianBlur(blur)) if blur else picture


MIDDLE = (40, 30, 160, 130)


@pytest.mark.parametrize("ground", ["white", "#e8e4da", "#101010", "#cfe0f2"])
@pytest.mark.parametrize(
    ("color", "name"),
    [("#d01f26", "red"), ("#1b3f9e", "blue"), ("#2c8a3c", "green"), ("#f2c21a", "yellow"), ("#7a4a2b", "brown")],
)
def test_the_background_is_left_out(ground: str, color: str, name: str) -> None:
    assert color_names(drawn(ground, (MIDDLE, color), blur=1.5)) == (name,)


def test_two_colours_the_greater_first() -> None:
    assert color_names(drawn("white", (MIDDLE, "#d01f26"), ((100, 30, 160, 130), "#1b3f9e"))) == ("red", "blue")


def test_a_white_thing_on_white_is_white() -> None:
    assert color_names(drawn("#fdfdfd", (MIDDLE, "#f8f8f8"))) == ("white",)


def test_a_white_thing_on_a_tinted_ground_is_white() -> None:
    assert color_names(drawn("#dbe6f0", (MIDDLE, "#fafafa"))) == ("white",)


def test_in_a_scene_the_middle_counts() -> None:
    scene = Image.new("RGB", (200, 200), "#3a6fd8")  # sky, sand, a tree at either side
    draw = ImageDraw.Draw(scene)
    draw.rectangle((0, 120, 200, 200), "#d6c4a0")
    draw.rectangle((0, 40, 20, 160), "#006400")
    draw.rectangle((60, 60, 140, 140), "#c81e1e")
    assert color_names(scene)[0] == "red"


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (3_000, 2)])
def test_pictures_of_any_shape_have_a_colour(size: tuple[int, int]) -> None:
    assert 1 <= len(color_names(Image.new("RGB", size, "#c81e1e"))) <= MOST


def test_every_name_is_one_of_the_vocabulary() -> None:
    vocabulary = Vocabulary.load()
    assert set(NAMED) <= set(vocabulary.words["color"].values())
