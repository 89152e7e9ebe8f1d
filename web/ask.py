"""One message and its answer over plain HTTP, each in a conversation of its own: for tests and for red teams."""

import secrets
from time import monotonic
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from assistant.build import Parts
from assistant.types import VISITOR
from web.language import page_language
from web.limit import TOO_OFTEN, Limit
from web.live import Live
from web.messages import MAX_MESSAGE, Body, told

PATIENCE = 60.0  # seconds until an answer is given up
_PROBLEMS: dict[int | str, dict[str, Any]] = {504: {"description": "No answer in time"}, **TOO_OFTEN}


class Question(Body):
    """What is said to the assistant."""

    text: str = Field(min_length=1, max_length=MAX_MESSAGE)


class Answer(BaseModel):
    """Everything that a shopper would read: sentences, captions of picks, notices. `products` are the ids of picks."""

    text: str
    products: list[str]


def ask_router(parts: Parts, live: Live, limit: Limit) -> APIRouter:
    """What asks as a visitor never seen before: it knows nobody's history and leaves no cookie."""
    api = APIRouter(tags=["conversation"])

    @api.post("/ask", responses=_PROBLEMS)
    async def ask(question: Question, request: Request) -> Answer:
        """Say one thing to the assistant and wait for its answer."""
        visitor = f"{VISITOR}{secrets.token_urlsafe(16)}"
        limit.check(visitor, request)
        language = page_language(request.cookies, request.headers)
        conversation = await run_in_threadpool(parts.conversations.begin, visitor)
        await run_in_threadpool(live.say, conversation, question.text, language=language)
        deadline = monotonic() + PATIENCE
        while live.busy(conversation):
            if monotonic() > deadline:
                raise HTTPException(504, f"no answer within {PATIENCE:.0f} seconds")
            await live.wait(conversation, live.version(conversation), 1.0)
        return await run_in_threadpool(_answer, parts, conversation)

    return api


def _answer(parts: Parts, conversation: str) -> Answer:
    events = parts.conversations.events(conversation)
    shown = [p["product"] for e in events if e.kind == "answer" for p in e.payload["picks"]]
    said = [s for s in told(events, parts.products.by_external_id(shown)) if s.role != "shopper"]
    lines = [line for s in said for line in (s.text, *(f"{c.title} {c.price} {c.why}".strip() for c in s.picks))]
    return Answer(text="\n".join(line for line in lines if line), products=shown)
