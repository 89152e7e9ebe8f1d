"""What the widget's page needs of Gradio, and nothing else; and each Gradio session for the shopper who began it.

A session is known by a number that the browser draws. Whoever guesses or sees it could read along: so the first
shopper who uses one owns it.
"""

import json
from collections import OrderedDict
from typing import Any
from urllib.parse import parse_qs

from web.identity import App, Identity, Scope, cookie_of, refuse

PREFIX = "/gradio_api/"
NEEDED = ("queue/join", "queue/data", "run/predict", "startup-events", "theme.css")
HEARTBEAT = "heartbeat/"
MOST_SESSIONS = 100_000  # the longest unused is forgotten
MOST_BYTES = 1_000_000  # of a request


class GradioGuard:
    """Middleware; stands within `IdentityMiddleware`, behind which every request but the first has a cookie."""

    def __init__(self, app: App, identity: Identity) -> None:
        self._app = app
        self._identity = identity
        self._owners: OrderedDict[str, str | None] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        asked = path.removeprefix(PREFIX).rstrip("/")
        if asked not in NEEDED and not asked.startswith(HEARTBEAT):
            await refuse(send, 404, "no such path")
            return
        body, receive = await _read(receive) if scope["method"] == "POST" else (b"", receive)
        session = _session(scope, asked, body)
        if body is None or session is None:
            await refuse(send, 413 if body is None else 400, "a request that no page of ours makes")
        elif self._owned(session, self._identity.shopper(cookie_of(scope))):
            await self._app(scope, receive, send)
        else:
            await refuse(send, 403, "another shopper's session")

    def _owned(self, session: str, shopper: str | None) -> bool:
        if not session:
            return True
        owner = self._owners.setdefault(session, shopper)
        self._owners.move_to_end(session)
        if len(self._owners) > MOST_SESSIONS:
            self._owners.popitem(last=False)
        return owner == shopper


def _session(scope: Scope, asked: str, body: bytes | None) -> str | None:
    """The Gradio session that a request is of, empty if of none, None if it cannot be read."""
    if asked.startswith(HEARTBEAT):
        return asked.removeprefix(HEARTBEAT)
    if scope["method"] != "POST":
        query: dict[str, list[str]] = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        return query.get("session_hash", [""])[0]
    try:
        told: Any = json.loads(body or b"{}")
        return str(told.get("session_hash") or "") if isinstance(told, dict) else None
    except ValueError:
        return None


async def _read(receive: Any) -> tuple[bytes | None, Any]:
    """The body, None if it is too long, and what gives it to the application again."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MOST_BYTES:
            return None, receive
    first = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Any:
        return first.pop() if first else await receive()

    return body, again
