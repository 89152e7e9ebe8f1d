"""Which other sites' pages may frame the widget and call the shop, and what pages may load."""

from collections.abc import Collection
from typing import Any

from web.identity import App, Scope, refuse

_READING = ("GET", "HEAD", "OPTIONS")
# Gradio's pages run inline scripts and compile some; nothing comes from other hosts.
_CONTENT = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'"
)


class FrontierMiddleware:
    """Refuses changes that other sites' pages ask for, and adds the rules for browsers to every answer.

    `origins` are the pages that may frame the widget and call the API, such as `https://shop.example`.
    """

    def __init__(self, app: App, origins: Collection[str]) -> None:
        self._app = app
        self._origins = frozenset(origins)
        policy = " ".join([f"{_CONTENT}; frame-ancestors 'self'", *origins])
        self._headers = {
            b"content-security-policy": policy.encode(),
            b"x-content-type-options": b"nosniff",
            b"referrer-policy": b"same-origin",
        }

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] not in _READING and not self._known(scope):
            await refuse(send, 403, "requests from other origins are not accepted")
            return

        async def send_with_rules(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = self._ruled(message["headers"], scope)
            await send(message)

        await self._app(scope, receive, send_with_rules)

    def _known(self, scope: Scope) -> bool:
        """Whether a change is asked for by our own page, by one that may, or by no page."""
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin-1")
        own = origin.partition("://")[2] == headers.get(b"host", b"").decode("latin-1")
        return not origin or own or origin in self._origins

    def _ruled(self, headers: Any, scope: Scope) -> list[tuple[bytes, bytes]]:
        """Gradio lets any page read its answers: only the pages that may keep that."""
        origin = dict(scope["headers"]).get(b"origin", b"").decode("latin-1")
        kept = [(n, v) for n, v in headers if origin in self._origins or not n.lower().startswith(b"access-control-")]
        there = {name.lower() for name, _ in kept}
        return [*kept, *((name, value) for name, value in self._headers.items() if name not in there)]
