"""How long does a turn take, stage by stage, in a conversation of five turns in each language?

The stages are marks on one clock, in milliseconds since the message was on disk.
"""

from collections.abc import Callable
from typing import Any

from assistant.build import Parts

TURNS = {
    "zh": ("想买一双防水的跑鞋，500以内", "要红色的", "再看几个", "第一个有42码吗", "谢谢"),
    "en": ("I need a backpack for hiking under 600", "not leather please", "show me more", "compare the first two", "thanks"),
}  # fmt: skip
STAGES = ("parse", "search", "rank", "first_card", "text")
SHOPPER = "shopper-001"


def run(parts: Parts, progress: Callable[[str], Any]) -> list[dict[str, Any]]:
    """A row a turn: what was understood, how many products it was answered with, and the stages' times."""
    rows = []
    for language, messages in TURNS.items():
        conversation = parts.conversations.begin(SHOPPER)
        for message in messages:
            progress(message)
            parts.assistant.hear(conversation, message)
            *_, reply = parts.assistant.answer(conversation)
            frame = next(
                e.payload["frame"] for e in reversed(parts.conversations.events(conversation)) if e.kind == "parsed"
            )
            times = {stage: round(reply.timings[stage]) if stage in reply.timings else None for stage in STAGES}
            rows.append(
                {
                    "language": language,
                    "message": message,
                    "intent": frame["intent"],
                    "picks": len(reply.picks),
                    **times,
                }
            )
    return rows
