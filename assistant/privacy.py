"""A shopper's data out, and gone: whoever asks gets all of it, and whoever wants it erased leaves nothing behind."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, delete, func, select, text, update

from catalog.schema import (
    ContactRow,
    ConversationRow,
    EventRow,
    ForgottenRow,
    InteractionRow,
    PhotoRow,
    ProductRow,
    ShopperRow,
    insert_of,
)


def export(engine: Engine, shopper: str) -> dict[str, Any]:
    """Everything stored about a shopper, as JSON values."""
    with engine.connect() as connection:
        did = connection.execute(
            select(InteractionRow.__table__, ProductRow.external_id.label("product"))
            .join(ProductRow, ProductRow.id == InteractionRow.product_id)
            .where(InteractionRow.shopper_id == shopper)
            .order_by(InteractionRow.time)
        ).mappings()
        interactions = [
            {"product": r["product"], "kind": r["kind"], "value": r["value"], "time": r["time"].isoformat(),
             "position": r["position"]}
            for r in did
        ]  # fmt: skip
        said = connection.execute(
            select(EventRow.__table__)
            .join(ConversationRow, ConversationRow.id == EventRow.conversation_id)
            .where(ConversationRow.shopper_id == shopper)
            .order_by(EventRow.conversation_id, EventRow.seq)
        ).mappings()
        conversations: dict[str, list[Any]] = {}
        for r in said:
            event = {"seq": r["seq"], "kind": r["kind"], "time": r["time"].isoformat(), "payload": r["payload"]}
            conversations.setdefault(r["conversation_id"], []).append(event)
        shown = connection.execute(
            select(PhotoRow.name, PhotoRow.data)
            .join(ConversationRow, ConversationRow.id == PhotoRow.conversation_id)
            .where(ConversationRow.shopper_id == shopper)
            .order_by(PhotoRow.time)
        )
        photos = {name: b64encode(data).decode() for name, data in shown}  # JPEGs
        contacts = [
            {"product": product, "time": time.isoformat()}
            for product, time in connection.execute(
                select(ContactRow.product, ContactRow.time).where(ContactRow.shopper_id == shopper)
            ).tuples()
        ]
        forgotten = list(connection.scalars(select(ForgottenRow.name).where(ForgottenRow.shopper_id == shopper)))
    return {
        "shopper": shopper,
        "interactions": interactions,
        "conversations": list(conversations.values()),
        "photos": photos,
        "forgotten": forgotten,
        "contacts": contacts,
    }


def adopt(engine: Engine, visitor: str, shopper: str) -> None:
    """Make what a visitor said and did the shopper's: somebody signed in."""
    with engine.begin() as connection:
        row = {"id": shopper, "created": datetime.now(UTC)}
        connection.execute(insert_of(engine)(ShopperRow).on_conflict_do_nothing(), row)
        for table in (ConversationRow, InteractionRow, ContactRow):
            connection.execute(update(table).where(table.shopper_id == visitor).values(shopper_id=shopper))


def erase(engine: Engine, shopper: str) -> None:
    """Delete everything stored about a shopper, and what the database's files keep of deleted rows.

    The products that a trained ranker learned from remain in it; it holds no shopper.
    """
    own = select(ConversationRow.id).where(ConversationRow.shopper_id == shopper)
    with engine.begin() as connection:
        for table in (PhotoRow, EventRow):
            connection.execute(delete(table).where(table.conversation_id.in_(own)))
        connection.execute(delete(ConversationRow).where(ConversationRow.shopper_id == shopper))
        for kept in (InteractionRow, ForgottenRow, ContactRow):
            connection.execute(delete(kept).where(kept.shopper_id == shopper))
        connection.execute(delete(ShopperRow).where(ShopperRow.id == shopper))
    _vacuum(engine)


def expire(engine: Engine, days: int) -> int:
    """Delete the conversations in which nothing was said for `days` days; how many there were.

    What was bought is the shop's and stays.
    """
    last = select(EventRow.conversation_id).group_by(EventRow.conversation_id)
    old = last.having(func.max(EventRow.time) < datetime.now(UTC) - timedelta(days=days))
    with engine.begin() as connection:
        gone = list(connection.scalars(old))
        for table in (PhotoRow, EventRow):
            connection.execute(delete(table).where(table.conversation_id.in_(gone)))
        connection.execute(delete(ConversationRow).where(ConversationRow.id.in_(gone)))
    if gone:
        _vacuum(engine)
    return len(gone)


def _vacuum(engine: Engine) -> None:
    """Overwrite what the database's files keep of deleted rows."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM"))
        if engine.dialect.name == "sqlite":
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
