"""Photos are kept with their conversation, without what else their files say."""

from io import BytesIO

import pytest
from PIL import Image
from sqlalchemy import Engine

from assistant.photos import MOST, SIDE, PhotoSearch, PhotoStore, TooManyPhotos
from assistant.store import ConversationStore
from catalog.looks import PictureSearch
from catalog.pictures import PictureError
from catalog.search import Search
from catalog.store import ProductStore
from catalog.types import Query

GPS = 0x8825


def photo(size: tuple[int, int] = (40, 30), *, place: bool = False) -> bytes:
    target, exif = BytesIO(), Image.Exif()
    if place:
        exif.get_ifd(GPS)[1] = "N"
    Image.new("RGB", size, "red").save(target, "JPEG", exif=exif)
    return target.getvalue()


@pytest.fixture
def conversation(engine: Engine) -> str:
    return ConversationStore(engine).begin("ann")


def test_the_same_photo_is_kept_once(engine: Engine, conversation: str) -> None:
    photos = PhotoStore(engine)
    name = photos.keep(conversation, photo())
    assert photos.keep(conversation, photo()) == name
    found = photos.get(name)
    assert found is not None
    assert found.conversation == conversation
    other = ConversationStore(engine).begin("bob")
    assert photos.keep(other, photo()) != name
    assert photos.get("unknown") is None


def test_where_it_was_taken_is_not_kept(engine: Engine, conversation: str) -> None:
    photos = PhotoStore(engine)
    assert Image.open(BytesIO(photo(place=True))).getexif().get_ifd(GPS)
    found = photos.get(photos.keep(conversation, photo(size=(3_000, 1_500), place=True)))
    assert found is not None
    kept = Image.open(BytesIO(found.data))
    assert not kept.getexif()
    assert kept.size == (SIDE, SIDE // 2)


def test_what_is_no_picture_is_refused(engine: Engine, conversation: str) -> None:
    with pytest.raises(PictureError, match="no JPEG, PNG or WebP"):
        PhotoStore(engine).keep(conversation, b"<svg/>")


def test_a_conversation_holds_so_many(engine: Engine, conversation: str) -> None:
    photos = PhotoStore(engine)
    for number in range(MOST):
        photos.keep(conversation, photo(size=(10 + number, 10)))
    with pytest.raises(TooManyPhotos, match=str(MOST)):
        photos.keep(conversation, photo(size=(10 + MOST, 10)))
    assert photos.keep(conversation, photo(size=(17, 10)))  # one of those that are there


def test_a_photo_that_is_gone_is_like_nothing(toy: Search, store: ProductStore) -> None:
    search = PhotoSearch(PhotoStore(store.engine), PictureSearch(store, toy, "efficientnet-lite0"))
    assert search.like_photo("gone", Query("")) == []
    assert search.like_product("no such product", Query("")) == []
