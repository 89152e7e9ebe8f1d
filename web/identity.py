"""Who the shopper is: an unguessable id in a signed cookie, and nothing else that a client says."""

import secrets
from collections.abc import Awaitable, Callable
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

from itsdangerous import BadSignature, URLSafeSerializer

COOKIE = "daogou_shopper"
MAX_AGE = 400 * 24 * 3600  # seconds; what browsers allow at most

Scope = dict[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]


class Identity:
    """Makes and reads shoppers' cookies."""

    def __init__(self, key: str) -> None:
        self._signer = URLSafeSerializer(key, salt="shopper")

    def new_cookie(self) -> str:
        """A cookie for a shopper never seen before."""
        return str(self._signer.dumps(f"web-{secrets.token_urlsafe(16)}"))

    def shopper(self, cookie: str | None) -> str | None:
        """The shopper that a cookie names, None if it is missing or forged."""
        try:
            return str(self._signer.loads(cookie)) if cookie else None
        except BadSignature:
            return None


class IdentityMiddleware:
    """Gives every visitor without a valid cookie a new one, before anything else sees the request."""

    def __init__(self, app: App, identity: Identity) -> None:
        self._app = app
        self._identity = identity

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or self._identity.shopper(_cookie(scope)):
            await self._app(scope, receive, send)
            return
        fresh = self._identity.new_cookie()
        header = f"{COOKIE}={fresh}; Path=/; HttpOnly; SameSite=Lax; Max-Age={MAX_AGE}"

        async def send_with_cookie(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"set-cookie", header.encode())]
            await send(message)

        await self._app(scope, receive, send_with_cookie)


def secret_key(setting: str, data_dir: Path) -> str:
    """The signing key: the setting, or one made once and kept in the data directory."""
    if setting:
        return setting
    path = data_dir / "secret_key"
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        path.write_text(secrets.token_urlsafe(32), "utf-8")
        path.chmod(0o600)
    return path.read_text("utf-8")


def _cookie(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"cookie":
            morsel = SimpleCookie(value.decode("latin-1")).get(COOKIE)
            return morsel.value if morsel else None
    return None
