"""Another system of the shop is told of handoffs and closed conversations, until it has heard.

Signed as "Standard Webhooks" has it: HMAC-SHA256 over id, time and body. What is to be told lies in the
database, so that no crash and no outage loses it; of several processes one tells it.
"""

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from sqlalchemy import Engine, Row, and_, insert, select, update
from sqlalchemy.exc import IntegrityError

from catalog.schema import ConversationRow, EventRow, WebhookRow

log = logging.getLogger(__name__)
KINDS = ("handoff", "resolved")
OLDEST = timedelta(days=1)  # events; so a new address is not told all of the past
TIMEOUT = 10.0  # seconds
FIRST_PAUSE = timedelta(seconds=2)  # doubled with every attempt
LONGEST_PAUSE = timedelta(hours=1)
ATTEMPTS = 30  # a little over a day


class Webhooks:
    """Tells `url`; `secret` may be empty, then nothing is signed."""

    def __init__(self, engine: Engine, url: str, secret: str) -> None:
        self._engine = engine
        self._url = url
        self._secret = secret

    def deliver(self) -> int:
        """Tell all that is due; how much was heard."""
        self._note()
        return sum(self._tell(row) for row in self._due())

    def _note(self) -> None:
        """Write down what is new and has to be told."""
        known = and_(WebhookRow.conversation_id == EventRow.conversation_id, WebhookRow.seq == EventRow.seq)
        since = datetime.now(UTC) - OLDEST
        new = (
            select(EventRow.conversation_id, EventRow.seq)
            .outerjoin(WebhookRow, known)
            .where(EventRow.kind.in_(KINDS), EventRow.time > since, WebhookRow.seq.is_(None))
        )
        with self._engine.connect() as connection:
            rows = connection.execute(new).all()
        for row in rows:
            try:
                with self._engine.begin() as connection:
                    connection.execute(insert(WebhookRow).values(**row._mapping, attempts=0, due=datetime.now(UTC)))
            except IntegrityError:  # another process was first, or the shopper is erased
                continue

    def _due(self) -> Sequence[Row[Any]]:
        statement = (
            select(WebhookRow, EventRow.kind, EventRow.payload, EventRow.time, ConversationRow.shopper_id)
            .join(
                EventRow, and_(EventRow.conversation_id == WebhookRow.conversation_id, EventRow.seq == WebhookRow.seq)
            )
            .join(ConversationRow, ConversationRow.id == WebhookRow.conversation_id)
            .where(WebhookRow.due <= datetime.now(UTC))
            .order_by(WebhookRow.due)
        )
        with self._engine.connect() as connection:
            return connection.execute(statement).all()

    def _tell(self, row: Row[Any]) -> bool:
        attempts = row.attempts + 1
        pause = min(FIRST_PAUSE * 2 ** min(attempts, 20), LONGEST_PAUSE)
        if not self._put(row, attempts, datetime.now(UTC) + pause):
            return False  # another process tells it
        trouble = self._send(f"{row.conversation_id}.{row.seq}", message(row))
        if trouble and attempts < ATTEMPTS:
            log.warning("webhook %s, attempt %d: %s", row.kind, attempts, trouble)
            return False
        if trouble:
            log.error("webhook %s of conversation %s is given up: %s", row.kind, row.conversation_id, trouble)
        with self._engine.begin() as connection:
            connection.execute(update(WebhookRow).where(_same(row)).values(due=None))
        return not trouble

    def _put(self, row: Row[Any], attempts: int, due: datetime) -> bool:
        """Take an attempt, unless another process has."""
        mine = update(WebhookRow).where(_same(row), WebhookRow.attempts == row.attempts)
        with self._engine.begin() as connection:
            return bool(connection.execute(mine.values(attempts=attempts, due=due)).rowcount)

    def _send(self, name: str, body: bytes) -> str:
        """What went wrong, if anything did."""
        time = f"{datetime.now(UTC).timestamp():.0f}"
        headers = {"Content-Type": "application/json", "webhook-id": name, "webhook-timestamp": time}
        if self._secret:
            headers["webhook-signature"] = signature(self._secret, name, time, body)
        try:
            answer = httpx.post(self._url, content=body, headers=headers, timeout=TIMEOUT)
        except httpx.HTTPError as error:
            return f"{type(error).__name__}: {error}"
        return "" if answer.is_success else f"answered {answer.status_code}"


def signature(secret: str, name: str, time: str, body: bytes) -> str:
    """The `webhook-signature` of a message: whoever knows the secret compares it."""
    digest = hmac.new(secret.encode(), f"{name}.{time}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def message(row: Row[Any]) -> bytes:
    """What is told: who, which conversation, why. Nothing that was said."""
    data = {"conversation": row.conversation_id, "shopper": row.shopper_id,
            **{k: v for k, v in row.payload.items() if k in ("reason", "staff")}}  # fmt: skip
    told = {"type": f"conversation.{row.kind}", "timestamp": row.time.isoformat(), "data": data}
    return json.dumps(told, ensure_ascii=False).encode()


def _same(row: Row[Any]) -> Any:
    return and_(WebhookRow.conversation_id == row.conversation_id, WebhookRow.seq == row.seq)
