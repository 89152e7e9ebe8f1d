"""Speech over HTTP: a recording becomes words, which the shopper sees before they send them."""

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from assistant.speech import MOST_BYTES, NoSpeechModel, SpeechError, SpeechToText
from catalog.types import Language
from web.body import described, read_body
from web.language import page_language
from web.limit import TOO_OFTEN, Limit
from web.messages import MAX_MESSAGE

_BODY = described(*(f"audio/{kind}" for kind in ("webm", "ogg", "mp4", "wav", "flac", "mpeg")))
_REFUSALS: dict[int | str, dict[str, Any]] = {
    413: {"description": "Too large"}, 415: {"description": "No recording"},
    501: {"description": "There is no speech model; the answer says what to install"}, **TOO_OFTEN,
}  # fmt: skip


class Words(BaseModel):
    """What was said; empty if nothing was."""

    text: Annotated[str, Field(max_length=MAX_MESSAGE)]
    language: Language


def speech_router(speech: SpeechToText | None, limit: Limit, Own: Any) -> APIRouter:  # noqa: N803
    """What hears shoppers; `Own` is the caller's own conversation."""
    api = APIRouter(tags=["conversation"])

    @api.post("/speech", openapi_extra=_BODY, responses=_REFUSALS)
    async def hear(conversation: Own, request: Request) -> Words:
        """The words of a recording of at most a minute. It is not kept, and nothing is said with it."""
        limit.check(conversation, request)
        recording = await read_body(request, MOST_BYTES)
        try:
            if speech is None:
                raise NoSpeechModel("this shop does not take spoken messages")
            language = page_language(request.cookies, request.headers)
            heard = await run_in_threadpool(speech.hear, recording, language)
        except NoSpeechModel as error:
            raise HTTPException(501, str(error)) from error
        except SpeechError as error:
            raise HTTPException(415, str(error)) from error
        return Words(text=heard.text[:MAX_MESSAGE], language=heard.language)

    return api
