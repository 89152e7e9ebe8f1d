"""Who the shopper is: an unguessable id in a signed cookie, or what a token signed by the shop says. Nothing else."""

import json
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import jwt
from fastapi import HTTPException, Request
from itsdangerous import BadSignature, URLSafeSerializer

from assistant.types import VISITOR

COOKIE = "daogou_shopper"
MAX_AGE = 400 * 24 * 3600  # seconds; what browsers allow at most
ALGORITHM = "HS256"

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]


class TokenError(ValueError):
    """A shopper's token cannot be used, and why."""


class Identity:
    """Makes and reads shoppers' cookies, and reads the tokens of shops that know who is signed in.

    A token is a JWT (RFC 7519), signed with `token_key` by HS256: `sub` is the shopper's id as in the shop's
    orders, `exp` when it ends. With `embedded`, cookies are sent from within other sites' pages too.
    """

    def __init__(self, key: str, token_key: str = "", embedded: bool = False) -> None:
        self._signer = URLSafeSerializer(key, salt="shopper")
        self._token_key = token_key
        self._embedded = embedded

    def new_cookie(self) -> str:
        """A cookie for a shopper never seen before."""
        return self.cookie(f"{VISITOR}{secrets.token_urlsafe(16)}")

    def cookie(self, shopper: str) -> str:
        """The cookie of a shopper."""
        return str(self._signer.dumps(shopper))

    def shopper(self, cookie: str | None) -> str | None:
        """The shopper that a cookie names, None if it is missing or forged."""
        try:
            return str(self._signer.loads(cookie)) if cookie else None
        except BadSignature:
            return None

    def vouched(self, token: str) -> str:
        """The shopper that a token names. Raises `TokenError`."""
        if not self._token_key:
            raise TokenError("this shop takes no tokens: the setting token_key is empty")
        try:
            claims = jwt.decode(token, self._token_key, [ALGORITHM], options={"require": ["sub", "exp"]})
        except jwt.InvalidTokenError as error:
            raise TokenError(f"the token is not valid: {error}") from error
        shopper = claims["sub"]
        if not 0 < len(shopper) <= 100 or shopper.startswith(VISITOR):
            raise TokenError(f"the token names nobody: {shopper[:100]!r}")
        return str(shopper)

    def caller(self, request: Request) -> str:
        """The shopper who sends a request, by token or cookie. Raises 401 where there is neither."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            try:
                return self.vouched(token.strip())
            except TokenError as error:
                raise HTTPException(401, str(error), {"WWW-Authenticate": "Bearer"}) from error
        shopper = self.shopper(request.cookies.get(COOKIE))
        if shopper is None:
            raise HTTPException(401, "no shopper: open the widget's page first, or send a token")
        return shopper

    def header(self, cookie: str, scope: Scope) -> str:
        """`Set-Cookie` for a cookie, as the scheme of the request allows."""
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1").rsplit(":", 1)[0]
        secure = scope.get("scheme") == "https" or host in ("localhost", "127.0.0.1")
        rules = "SameSite=None; Secure; Partitioned" if self._embedded and secure else "SameSite=Lax"
        return f"{COOKIE}={cookie}; Path=/; HttpOnly; {rules}; Max-Age={MAX_AGE}"


class IdentityMiddleware:
    """Gives every visitor without a valid cookie a new one, before anything else sees the request."""

    def __init__(self, app: App, identity: Identity) -> None:
        self._app = app
        self._identity = identity

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or self._identity.shopper(cookie_of(scope)):
            await self._app(scope, receive, send)
            return
        header = self._identity.header(self._identity.new_cookie(), scope)

        async def send_with_cookie(message: dict[str, Any]) -> None:
            headers = message.get("headers", [])
            signs_in = any(n == b"set-cookie" and v.startswith(COOKIE.encode()) for n, v in headers)
            if message["type"] == "http.response.start" and not signs_in:
                message["headers"] = [*headers, (b"set-cookie", header.encode())]
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


def cookie_of(scope: Scope) -> str | None:
    """The shopper's cookie of a request."""
    for name, value in scope["headers"]:
        if name == b"cookie":
            morsel = SimpleCookie(value.decode("latin-1")).get(COOKIE)
            return morsel.value if morsel else None
    return None


async def refuse(send: Any, status: int, why: str) -> None:
    """Answer a request before the application sees it."""
    body = json.dumps({"detail": why}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
