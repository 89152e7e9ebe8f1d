"""Photos that shoppers show: kept with the conversation, gone with it, and what in the shop looks like them."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO

from sqlalchemy import Engine, func, select

from catalog.errors import UserError
from catalog.looks import PictureSearch
from catalog.pictures import read_picture
from catalog.schema import PhotoRow, insert_of
from catalog.types import Candidate, Query

SIDE = 1024  # pixels that the longer side is kept with
QUALITY = 85  # of the JPEG
MOST = 100  # in a conversation


class TooManyPhotos(UserError):
    """The conversation holds as many photos as it may."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo as it is kept, a JPEG, and the conversation in which it was shown."""

    conversation: str
    data: bytes


class PhotoStore:
    """Keeps photos in the database: what takes a conversation away takes them along."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._insert = insert_of(engine)

    def keep(self, conversation: str, data: bytes) -> str:
        """Keep a photo, on disk when this returns, and name it; the same one again has the same name.

        It is drawn anew: what else the file said (where it was taken, and by what) is not kept.
        Raises `PictureError` for what is no picture, `TooManyPhotos` where there are `MOST`.
        """
        picture, drawn = read_picture(data), BytesIO()
        picture.thumbnail((SIDE, SIDE))
        picture.save(drawn, "JPEG", quality=QUALITY)
        name = hashlib.sha256(conversation.encode() + drawn.getvalue()).hexdigest()
        with self._engine.begin() as connection:
            own = select(func.count()).where(PhotoRow.conversation_id == conversation, PhotoRow.name != name)
            if (connection.scalar(own) or 0) >= MOST:
                raise TooManyPhotos(f"a conversation holds at most {MOST} photos")
            row = {"name": name, "conversation_id": conversation, "data": drawn.getvalue(), "time": datetime.now(UTC)}
            connection.execute(self._insert(PhotoRow).on_conflict_do_nothing(), row)
        return name

    def get(self, name: str) -> Photo | None:
        """The photo of a name, None if there is none."""
        with self._engine.connect() as connection:
            found = connection.execute(
                select(PhotoRow.conversation_id, PhotoRow.data).where(PhotoRow.name == name)
            ).first()
        return Photo(*found) if found else None


class PhotoSearch:
    """Finds products that look like a photo that was kept, or like one another."""

    def __init__(self, photos: PhotoStore, pictures: PictureSearch) -> None:
        self._photos = photos
        self._pictures = pictures

    def like_photo(self, name: str, query: Query) -> list[Candidate]:
        """At most `query.k` products within the query's limits, the most alike first; none if the photo is gone."""
        photo = self._photos.get(name)
        return self._pictures.search_by_photo(query, photo.data) if photo else []

    def like_product(self, external_id: str, query: Query) -> list[Candidate]:
        """The same for the picture of a product; none if nobody has looked at it."""
        return self._pictures.search_by_product(query, external_id)
