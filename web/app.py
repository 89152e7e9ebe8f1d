"""Puts the widget, the API and the pictures into one application."""

import logging
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from socket import socket
from types import FrameType
from typing import Annotated, Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr
import uvicorn
from fastapi import APIRouter, FastAPI, Header, HTTPException, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import FileResponse, JSONResponse, Response

from assistant.build import Parts
from assistant.masking import mask
from assistant.phrases import phrase
from assistant.process import trim
from assistant.tracing import start_tracing
from catalog.schema import DATABASE_AWAY
from catalog.types import Query
from web.api import router
from web.desk import desk_router
from web.frontier import FrontierMiddleware
from web.gradio_guard import GradioGuard
from web.identity import Identity, IdentityMiddleware, secret_key
from web.language import page_language
from web.limit import Limit
from web.live import Live
from web.logs import configure_logs
from web.metrics import Metrics
from web.transcript import transcript_router
from web.upkeep import Upkeep
from web.widget import build_widget, css, head

log = logging.getLogger(__name__)
SIGN_INS_PER_MINUTE = 6
GRACE = 5  # seconds that open pages have to go when the server is told to end
PICTURE_TYPES = {".svg": "image/svg+xml", ".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}


def create_app(parts: Parts) -> FastAPI:
    """The whole web application on the given parts."""
    settings = parts.settings
    key = secret_key(settings.secret_key, settings.data_dir)
    identity = Identity(key, settings.token_key, embedded=bool(settings.origins))
    limit, upkeep, metrics = Limit(settings.messages_per_minute), Upkeep(parts), Metrics(parts)
    start_tracing(settings.trace_endpoint, [metrics])
    patience = timedelta(minutes=settings.staff_patience)
    live = Live(parts.assistant, parts.conversations, parts.desk, patience, metrics.observe)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        _warm(parts)
        for worker in (live, upkeep):
            worker.start()
        yield
        for worker in (live, upkeep):
            worker.close()

    app = FastAPI(title=settings.shop_name, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.live = live
    app.include_router(router(parts, live, identity, limit))
    app.include_router(desk_router(parts, live, Limit(SIGN_INS_PER_MINUTE)))
    app.include_router(transcript_router(parts, live, identity))
    app.include_router(_files(settings.data_dir / "images"))
    app.include_router(_measured(metrics, settings.metrics_token))
    for away in DATABASE_AWAY:
        app.add_exception_handler(away, _database_away)
    blocks = build_widget(settings.shop_name, speech=parts.speech is not None)
    mounted: FastAPI = gr.mount_gradio_app(
        app, blocks, path="/", show_error=False, css=css(), head=head(), footer_links=[], max_file_size="1mb"
    )
    mounted.add_middleware(GradioGuard)
    mounted.add_middleware(IdentityMiddleware, identity=identity)
    mounted.add_middleware(
        CORSMiddleware, allow_origins=settings.origins, allow_credentials=True, allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Last-Event-ID"],
    )  # fmt: skip
    mounted.add_middleware(FrontierMiddleware, origins=settings.origins)
    return mounted


async def _database_away(request: Request, error: Exception) -> JSONResponse:
    """What a request is answered while the database is away; the widget sends again by itself."""
    log.warning("%s %s: the database is away: %s", request.method, request.url.path, error)
    told = phrase("database_away", page_language(request.cookies, request.headers))
    return JSONResponse({"detail": told}, 503, {"Retry-After": "2"})


def _warm(parts: Parts) -> None:
    """Load what is loaded on first use, which takes seconds: the first shoppers, if many at once, would each do it."""
    mask("")
    parts.answers.finder.recommend("", Query("scarf"))
    trim()


def _files(folder: Path) -> APIRouter:
    """The loader for shops' pages, and products' pictures."""
    routes = APIRouter(include_in_schema=False)
    pictures = folder.resolve()

    @routes.get("/embed.js")
    def loader() -> Response:
        script = files("web").joinpath("embed.js").read_text("utf-8")
        return Response(script, media_type="text/javascript", headers={"Cache-Control": "public, max-age=3600"})

    @routes.get("/images/{name}")
    def picture(name: str) -> FileResponse:
        path = (pictures / name).resolve()
        if path.parent != pictures or path.suffix not in PICTURE_TYPES or not path.is_file():
            raise HTTPException(404, "no such picture")
        # Pictures may come from feeds: an SVG must not run scripts if opened on its own.
        headers = {
            "Cache-Control": "public, max-age=86400",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
        }
        return FileResponse(path, media_type=PICTURE_TYPES[path.suffix], headers=headers)

    return routes


def _measured(metrics: Metrics, token: str) -> APIRouter:
    """What Prometheus reads, if it has a token."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/metrics")
    def measured(authorization: Annotated[str, Header()] = "") -> Response:
        if not token:
            raise HTTPException(404, "there are no metrics: the setting metrics_token is empty")
        if not secrets.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
            raise HTTPException(401, "not the token of the metrics", {"WWW-Authenticate": "Bearer"})
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    return routes


def serve(parts: Parts, opened: Callable[[], None]) -> None:
    """Listen until interrupted; `opened` is called once somebody can come in."""
    configure_logs(parts.settings)
    app, settings = create_app(parts), parts.settings
    config = uvicorn.Config(
        app, host=settings.host, port=settings.port, log_config=None, timeout_graceful_shutdown=GRACE
    )
    with suppress(KeyboardInterrupt):
        Server(config, opened).run()


class Server(uvicorn.Server):
    """Tells when it listens; lets open pages go as soon as it is told to end, not when its patience is over."""

    def __init__(self, config: uvicorn.Config, opened: Callable[[], None]) -> None:
        super().__init__(config)
        self._opened = opened

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._opened()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        app: Any = self.config.app
        app.state.live.close()
        super().handle_exit(sig, frame)
