"""A reply as the event log keeps it, and back."""

from collections.abc import Mapping
from typing import Any

from assistant.types import Pick, QuickReply, Reply
from catalog.types import Product


def to_payload(reply: Reply) -> dict[str, Any]:
    """An answer as the event log keeps it."""
    return {
        "role": "bot",
        "language": reply.language,
        "text": reply.text,
        "picks": [
            {"product": p.product.external_id, "why": p.why, "parts": p.parts, "size": p.size} for p in reply.picks
        ],
        "quick_replies": [{"text": q.text, "frame": dict(q.frame), "item": q.item} for q in reply.quick_replies],
        "asks": reply.asks,
        "timings": dict(reply.timings),
    }


def from_payload(payload: Mapping[str, Any], products: Mapping[str, Product]) -> Reply:
    """An answer read back; products that are no longer sold are left out."""
    return Reply(
        payload["language"],
        payload["text"],
        tuple(
            Pick(
                products[p["product"]],
                p["why"],
                tuple((name, value) for name, value in p.get("parts", ())),
                p.get("size", ""),
            )
            for p in payload["picks"]
            if p["product"] in products
        ),
        tuple(QuickReply(q["text"], q["frame"], q.get("item", 0)) for q in payload["quick_replies"]),
        payload.get("asks", ""),
        True,
        payload["timings"],
    )
