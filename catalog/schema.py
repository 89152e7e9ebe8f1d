"""The tables, for SQLite and PostgreSQL. Migrations stand in `catalog/migrations`."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
import numpy as np
from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    DateTime,
    Engine,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    and_,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

MONEY_DIGITS = 3  # some currencies have three decimals


class Money(TypeDecorator[Decimal]):
    """An exact decimal kept as whole thousandths, since SQLite would keep a float."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Any) -> int | None:
        return None if value is None else int(value.scaleb(MONEY_DIGITS).to_integral_value())

    def process_result_value(self, value: Any, dialect: Any) -> Decimal | None:
        if value is None:
            return None
        exact = Decimal(value).scaleb(-MONEY_DIGITS)
        return exact.quantize(Decimal("0.01")) if value % 10 == 0 else exact


class Instant(TypeDecorator[datetime]):
    """A UTC instant; SQLite forgets the zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class Vector(TypeDecorator[np.ndarray[Any, Any]]):
    """A float16 vector as bytes."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> bytes | None:
        return None if value is None else np.asarray(value, dtype=np.float16).tobytes()

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else np.frombuffer(value, dtype=np.float16)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def _of_product() -> Mapped[int]:
    return mapped_column(ForeignKey("products.id", ondelete="CASCADE"), primary_key=True)


class ProductRow(Base):
    __tablename__ = "products"
    id: Mapped[int] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(String(200), unique=True)
    content_hash: Mapped[str] = mapped_column(String(64))  # of the whole product
    vector_hash: Mapped[str] = mapped_column(String(64))  # of the text that is embedded
    brand: Mapped[str] = mapped_column(String(200))
    price: Mapped[Decimal] = mapped_column(Money)
    currency: Mapped[str] = mapped_column(String(3))
    rating: Mapped[float]
    review_count: Mapped[int]
    stock: Mapped[int]
    image: Mapped[str] = mapped_column(Text)
    picture_hash: Mapped[str] = mapped_column(String(64), server_default="")  # of the picture that is embedded
    url: Mapped[str] = mapped_column(Text)
    created: Mapped[datetime | None] = mapped_column(Instant)
    changed: Mapped[int] = mapped_column(server_default="0", index=True)  # the catalog's version that last wrote it
    # Covers the limits that most searches have, so that no row of this wide table is read for them.
    __table_args__ = (Index(None, "price", "stock", "rating", postgresql_include=["id"]),)


class ProductTextRow(Base):
    __tablename__ = "product_texts"
    product_id: Mapped[int] = _of_product()
    language: Mapped[str] = mapped_column(String(8), primary_key=True)
    title: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    category: Mapped[list[str]] = mapped_column(JSON)


class AttributeRow(Base):
    __tablename__ = "attributes"
    product_id: Mapped[int] = _of_product()
    position: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    value: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(String(8))
    span: Mapped[str] = mapped_column(Text, server_default="")
    confidence: Mapped[float] = mapped_column(server_default="1")


class VariantRow(Base):
    __tablename__ = "variants"
    product_id: Mapped[int] = _of_product()
    position: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str] = mapped_column(String(200))
    size: Mapped[str] = mapped_column(String(100))
    size_key: Mapped[str] = mapped_column(String(100))  # canonical, compared by filters
    color: Mapped[str] = mapped_column(String(100))
    stock: Mapped[int]
    price: Mapped[Decimal | None] = mapped_column(Money)


class FacetRow(Base):
    __tablename__ = "facets"
    product_id: Mapped[int] = _of_product()
    facet: Mapped[str] = mapped_column(String(20), primary_key=True)
    value: Mapped[str] = mapped_column(String(200), primary_key=True)
    __table_args__ = (Index(None, "facet", "value", "product_id"),)


class ReviewRow(Base):
    __tablename__ = "reviews"
    product_id: Mapped[int] = _of_product()
    position: Mapped[int] = mapped_column(primary_key=True)
    author: Mapped[str] = mapped_column(String(200))
    rating: Mapped[int]
    text: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(String(8))
    created: Mapped[datetime | None] = mapped_column(Instant)


class ReadingRow(Base):
    """What a reader found in a review, by what was read, so that equal text is never read twice."""

    __tablename__ = "readings"
    reader: Mapped[str] = mapped_column(String(200), primary_key=True)
    review_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    polarity: Mapped[str] = mapped_column(String(10))
    good: Mapped[list[str]] = mapped_column(JSON)
    bad: Mapped[list[str]] = mapped_column(JSON)
    tags: Mapped[list[str]] = mapped_column(JSON)


class ExtractionRow(Base):
    """What a reader found in a product's text, by what was read, so that equal text is never read twice."""

    __tablename__ = "extractions"
    reader: Mapped[str] = mapped_column(String(200), primary_key=True)
    text_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    said: Mapped[list[Any]] = mapped_column(JSON)


class OpinionRow(Base):
    """Reviews summed up; a product keeps its opinions when its feed is imported again."""

    __tablename__ = "opinions"
    product_id: Mapped[int] = _of_product()
    aspect: Mapped[str] = mapped_column(String(20), primary_key=True)
    good: Mapped[float]
    bad: Mapped[float]


class VectorRow(Base):
    """Embeddings by what was embedded, so that equal text is never embedded twice."""

    __tablename__ = "vectors"
    model: Mapped[str] = mapped_column(String(200), primary_key=True)
    vector_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    vector: Mapped[Any] = mapped_column(Vector)


class PictureColorRow(Base):
    """The colours that a picture shows, canonical, for products whose feed names none."""

    __tablename__ = "picture_colors"
    picture_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    color: Mapped[str] = mapped_column(String(20), primary_key=True)


class ChartSizeRow(Base):
    """A line of a size chart; charts are imported whole, in place of those before."""

    __tablename__ = "chart_sizes"
    position: Mapped[int] = mapped_column(primary_key=True)
    category: Mapped[str] = mapped_column(String(200))
    brand: Mapped[str] = mapped_column(String(200))
    size: Mapped[str] = mapped_column(String(100))
    height_min: Mapped[float | None]
    height_max: Mapped[float | None]
    weight_min: Mapped[float | None]
    weight_max: Mapped[float | None]


def has_vector(model: str) -> ColumnElement[bool]:
    """Joins products with the vectors that `model` made of their texts."""
    return and_(VectorRow.vector_hash == ProductRow.vector_hash, VectorRow.model == model)


def has_picture_vector(model: str) -> ColumnElement[bool]:
    """Joins products with the vectors that `model` made of their pictures."""
    return and_(VectorRow.vector_hash == ProductRow.picture_hash, VectorRow.model == model)


class CatalogVersionRow(Base):
    """One row, counted up by every change of the catalog, so that caches know they are stale."""

    __tablename__ = "catalog_version"
    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int]


class ShopperRow(Base):
    __tablename__ = "shoppers"
    id: Mapped[str] = mapped_column(String(100), primary_key=True)
    created: Mapped[datetime] = mapped_column(Instant)


class InteractionRow(Base):
    __tablename__ = "interactions"
    id: Mapped[int] = mapped_column(primary_key=True)
    shopper_id: Mapped[str] = mapped_column(ForeignKey("shoppers.id", ondelete="CASCADE"))
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(20))
    value: Mapped[float]
    time: Mapped[datetime] = mapped_column(Instant)
    session: Mapped[str] = mapped_column(String(64), server_default="")
    position: Mapped[int] = mapped_column(server_default="0")
    size: Mapped[str] = mapped_column(String(100), server_default="")
    # Imported orders carry no id of their own line: the same purchase twice is one.
    __table_args__ = (
        UniqueConstraint("shopper_id", "product_id", "kind", "time"),
        Index(None, "product_id"),
    )


class ForgottenRow(Base):
    """What a shopper wants no use to be made of, such as `brand:Northfell`."""

    __tablename__ = "forgotten"
    shopper_id: Mapped[str] = mapped_column(ForeignKey("shoppers.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(300), primary_key=True)
    time: Mapped[datetime] = mapped_column(Instant)


class ContactRow(Base):
    """A shopper on a list of whom to write to about a product."""

    __tablename__ = "contacts"
    id: Mapped[int] = mapped_column(primary_key=True)
    shopper_id: Mapped[str] = mapped_column(ForeignKey("shoppers.id", ondelete="CASCADE"), index=True)
    product: Mapped[str] = mapped_column(String(200))  # the shop's own id; it may be gone
    time: Mapped[datetime] = mapped_column(Instant, index=True)


class ConversationRow(Base):
    __tablename__ = "conversations"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    shopper_id: Mapped[str] = mapped_column(ForeignKey("shoppers.id", ondelete="CASCADE"), index=True)
    created: Mapped[datetime] = mapped_column(Instant)


class EventRow(Base):
    """A conversation is its events: strictly numbered, only ever appended."""

    __tablename__ = "events"
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    client_message_id: Mapped[str | None] = mapped_column(String(64))
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    time: Mapped[datetime] = mapped_column(Instant)
    __table_args__ = (UniqueConstraint("conversation_id", "client_message_id"), Index(None, "kind", "time"))


class PhotoRow(Base):
    """What a shopper showed; `name` cannot be guessed by who does not know the conversation."""

    __tablename__ = "photos"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), index=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    time: Mapped[datetime] = mapped_column(Instant)


class WebhookRow(Base):
    """An event that another system is told of; `due` is when it is tried next, none when it never is again."""

    __tablename__ = "webhooks"
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    attempts: Mapped[int]
    due: Mapped[datetime | None] = mapped_column(Instant)


class StaffRow(Base):
    __tablename__ = "staff"
    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    role: Mapped[str] = mapped_column(String(10))
    password_hash: Mapped[str] = mapped_column(String(200))  # argon2id
    disabled: Mapped[bool]
    failures: Mapped[int]  # wrong passwords in a row
    locked_until: Mapped[datetime | None] = mapped_column(Instant)
    created: Mapped[datetime] = mapped_column(Instant)


class StaffSessionRow(Base):
    __tablename__ = "staff_sessions"
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)  # whoever reads the table has no token
    staff_name: Mapped[str] = mapped_column(ForeignKey("staff.name", ondelete="CASCADE"))
    csrf: Mapped[str] = mapped_column(String(64))
    expires: Mapped[datetime] = mapped_column(Instant)


class AuditRow(Base):
    """What staff did, only ever appended; it outlives the account."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True)
    staff_name: Mapped[str] = mapped_column(String(60))
    action: Mapped[str] = mapped_column(String(40))
    detail: Mapped[str] = mapped_column(Text)
    time: Mapped[datetime] = mapped_column(Instant)


# What is raised while a database is away: closed, starting, not to be reached, or a file that somebody locks.
DATABASE_AWAY = (OperationalError, InterfaceError, PoolTimeout)
# Seconds; milliseconds until a dead line is given up. A search is over before a plan would be compiled, and one plan
# for all words and limits would rank as if it knew none of them: it took twice as long.
_PATIENCE = {
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,
    "options": "-c jit=off -c plan_cache_mode=force_custom_plan",
}


def insert_of(engine: Engine) -> Any:
    """The dialect's INSERT, which can be told what to do on a conflict."""
    return sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert


def open_database(url: str) -> Engine:
    """An engine on an up-to-date database, created if it is not there yet.

    SQLite runs with a write-ahead log, foreign keys and a busy timeout of ten seconds.
    """
    is_server = make_url(url).get_backend_name() == "postgresql"
    engine = create_engine(
        url,
        # Many threads wait for models and for each other: none shall wait for a file as well. A server takes a hundred
        # connections if nobody tells it otherwise, and several processes share it.
        pool_size=15 if is_server else 20,
        max_overflow=15 if is_server else 200,
        pool_pre_ping=is_server,  # a server that was away has closed what the pool holds
        connect_args=_PATIENCE if is_server else {},
    )
    if engine.dialect.name == "sqlite":
        if engine.url.database not in (None, "", ":memory:"):
            Path(str(engine.url.database)).parent.mkdir(parents=True, exist_ok=True)
        event.listen(engine, "connect", _configure_sqlite)
    migrate(engine)
    return engine


def reading(engine: Engine) -> Connection:
    """A connection for statements that only read: none costs a round trip to begin and one to end a transaction."""
    return engine.connect().execution_options(isolation_level="AUTOCOMMIT")


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the database to `revision`, up or down."""
    config = alembic.config.Config()
    config.set_main_option("script_location", "catalog:migrations")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        if revision == "base":
            alembic.command.downgrade(config, revision)
        else:
            alembic.command.upgrade(config, revision)


def _configure_sqlite(connection: Any, record: Any) -> None:
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "busy_timeout=10000", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")
