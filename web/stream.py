"""Server-sent events that follow a conversation (WHATWG HTML, section 9.2)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from fastapi.responses import StreamingResponse

from catalog.schema import DATABASE_AWAY
from web.live import Live


def event(data: str, name: str = "message", number: int | None = None) -> str:
    """One event; `data` is JSON, `number` what a client that comes back names as the last it had."""
    numbered = "" if number is None else f"id: {number}\n"
    return f"event: {name}\n{numbered}data: {data}\n\n"


def event_stream(live: Live, conversation: str, look: Callable[[], Iterable[str]]) -> StreamingResponse:
    """What `look` finds, in a thread, whenever the conversation changes, until the client goes; with signs of life."""

    async def events() -> AsyncIterator[str]:
        with live.watched(conversation):
            async for anew in live.looks(conversation):
                try:
                    found = await asyncio.to_thread(lambda: "".join(look())) if anew else ": still here\n\n"
                except DATABASE_AWAY:
                    return  # the page asks again until it is back
                if found:
                    yield found

    headers: dict[str, Any] = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events(), media_type="text/event-stream", headers=headers)
