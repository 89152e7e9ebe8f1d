"""Photos over HTTP: a shopper's own, and for staff those of the conversation that they read."""

from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from assistant.photos import PhotoStore, TooManyPhotos
from catalog.pictures import FORMATS, MOST_BYTES, PictureError
from web.body import described, read_body
from web.limit import TOO_OFTEN, Limit

NAME = r"^([0-9a-f]{64})?$"  # of a photo; none is none
_BODY = described(*(f"image/{kind.lower()}" for kind in FORMATS))
_REFUSALS: dict[int | str, dict[str, Any]] = {
    409: {"description": "Too many photos"}, 413: {"description": "Too large"}, 415: {"description": "No picture"},
    **TOO_OFTEN,
}  # fmt: skip


class Kept(BaseModel):
    """The name by which a message shows a photo."""

    photo: str


def photo_router(photos: PhotoStore, limit: Limit, Own: Any) -> APIRouter:  # noqa: N803
    """What a shopper does with photos; `Own` is the caller's own conversation."""
    api = APIRouter(prefix="/photos", tags=["conversation"])

    @api.post("", status_code=201, openapi_extra=_BODY, responses=_REFUSALS)
    async def keep(conversation: Own, request: Request) -> Kept:
        """Keep a JPEG, PNG or WebP for a message to show. It is drawn anew: what else the file says is not kept."""
        limit.check(conversation, request)
        data = await read_body(request, MOST_BYTES)
        try:
            return Kept(photo=await run_in_threadpool(photos.keep, conversation, data))
        except TooManyPhotos as error:
            raise HTTPException(409, str(error)) from error
        except PictureError as error:
            raise HTTPException(415, str(error)) from error

    @api.get("/{name}", response_class=Response, responses={404: {"description": "No such photo"}})
    def photo(name: str, conversation: Own) -> Response:
        """A photo that the caller has shown."""
        return photo_response(photos, conversation, name)

    return api


def photo_address(name: str) -> str:
    """Where a shopper's own page reads a photo."""
    return f"/api/photos/{name}"


def photo_response(photos: PhotoStore, conversation: str, name: str) -> Response:
    """A photo of the conversation, which no cache keeps for others; 404 if it has none of that name."""
    headers = {"Cache-Control": "private, max-age=86400"}
    return Response(photo_data(photos, conversation, name), media_type="image/jpeg", headers=headers)


def photo_data(photos: PhotoStore, conversation: str, name: str) -> bytes:
    """The same as bytes."""
    found = photos.get(name)
    if found is None or found.conversation != conversation:
        raise HTTPException(404, "no such photo")
    return found.data
