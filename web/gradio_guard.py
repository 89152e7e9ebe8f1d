"""What the widget's page needs of Gradio, and nothing else: no queue, no files, no named functions.

Handlers know of no shopper and Gradio keeps nothing between requests, so there is nothing here that is anybody's.
"""

import json
from typing import Any

from web.identity import App, Scope, refuse

PREFIX = "/gradio_api/"
NEEDED = ("run/predict", "theme.css")
MOST_BYTES = 100_000  # of a request


class GradioGuard:
    """Middleware that refuses all other requests to Gradio."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith(PREFIX):
            await self._app(scope, receive, send)
        elif path.removeprefix(PREFIX).rstrip("/") not in NEEDED:
            await refuse(send, 404, "no such path")
        else:
            body, again = await _read(receive) if scope["method"] == "POST" else (b"{}", receive)
            if body is None:
                await refuse(send, 413, "too long for any page of ours")
            elif not _is_object(body):
                await refuse(send, 400, "not a JSON object")
            else:
                await self._app(scope, again, send)


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False


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
