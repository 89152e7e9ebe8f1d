"""What is stored of a shopper comes out whole, and goes without a trace."""

import json
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from sqlalchemy import Engine, select, update

from assistant.marketing.campaign import note_contacts
from assistant.photos import PhotoStore
from assistant.privacy import erase, expire, export
from assistant.store import ConversationStore
from catalog.pictures import read_picture
from catalog.schema import ConversationRow, EventRow, open_database
from catalog.store import ProductStore
from catalog.types import Interaction
from tests.toy_shop import PRODUCTS

CANARY = "canary-7f3a91"


def picture(shopper: str) -> bytes:
    """A picture of noise, another one for each shopper."""
    noise = np.random.default_rng(list(shopper.encode())).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    drawn = BytesIO()
    Image.fromarray(noise).save(drawn, "PNG")
    return drawn.getvalue()


def plant(engine: Engine) -> None:
    store, conversations = ProductStore(engine), ConversationStore(engine)
    store.upsert(PRODUCTS)
    for shopper in (CANARY, "bob"):
        conversation = conversations.begin(shopper)
        for n in range(30):
            conversations.append(conversation, "message", {"role": "shopper", "text": f"{shopper} says {n}"})
        PhotoStore(engine).keep(conversation, picture(shopper))
        conversations.append(conversation, "fact", {"name": "skin", "value": f"{shopper} skin"})
        conversations.append(conversation, "note", {"staff": "lin", "text": f"{shopper} is nice"})
        now = datetime.now(UTC)
        store.interact(Interaction(shopper, "bag", "purchase", now, session=f"{shopper} session", position=2))
        store.forget(shopper, f"brand:{shopper}")
        note_contacts(engine, f"{shopper} product", [shopper], now)


def test_everything_comes_out(engine: Engine) -> None:
    plant(engine)
    told = export(engine, CANARY)
    assert [i["product"] for i in told["interactions"]] == ["bag"]
    assert [len(c) for c in told["conversations"]] == [32]
    assert told["forgotten"] == [f"brand:{CANARY}"]
    assert [c["product"] for c in told["contacts"]] == [f"{CANARY} product"]
    assert [read_picture(b64decode(photo)).size for photo in told["photos"].values()] == [(40, 30)]
    assert "bob" not in json.dumps(told)


def test_nothing_is_left(engine: Engine) -> None:
    plant(engine)
    erase(engine, CANARY)
    nothing = {"interactions": [], "conversations": [], "photos": {}, "forgotten": [], "contacts": []}
    assert export(engine, CANARY) == {"shopper": CANARY, **nothing}
    assert len(export(engine, "bob")["photos"]) == 1
    assert len(export(engine, "bob")["conversations"][0]) == 32


def test_no_file_of_the_database_holds_a_trace(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/shop.db")
    plant(engine)
    photo = next(iter(export(engine, CANARY)["photos"].values()))
    traces = (CANARY.encode(), b64decode(photo)[-200:-20])  # the end of the JPEG is its own
    assert all(any(trace in file.read_bytes() for file in tmp_path.iterdir()) for trace in traces)
    erase(engine, CANARY)
    assert not [file.name for file in tmp_path.iterdir() if any(trace in file.read_bytes() for trace in traces)]
    assert any(b"bob says" in file.read_bytes() for file in tmp_path.iterdir())


def test_old_conversations_go_and_purchases_stay(engine: Engine) -> None:
    plant(engine)
    old = datetime.now(UTC) - timedelta(days=31)
    with engine.begin() as connection:
        mine = select(ConversationRow.id).where(ConversationRow.shopper_id == CANARY)
        connection.execute(update(EventRow).where(EventRow.conversation_id.in_(mine)).values(time=old))
    assert expire(engine, 30) == 1
    assert expire(engine, 30) == 0
    told = export(engine, CANARY)
    assert told["conversations"] == []
    assert told["photos"] == {}
    assert len(told["interactions"]) == 1
    assert len(export(engine, "bob")["conversations"][0]) == 32
