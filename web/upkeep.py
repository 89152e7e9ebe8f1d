"""What a running shop does besides answering: webhooks, and conversations whose time is over."""

import logging
import threading
from datetime import UTC, datetime, timedelta

from assistant.build import Parts
from assistant.privacy import expire
from assistant.webhooks import Webhooks

log = logging.getLogger(__name__)
LOOK = 2.0  # seconds between looks for webhooks
EXPIRY = timedelta(hours=1)  # between looks for old conversations


class Upkeep:
    """Works in a thread of its own between `start` and `close`."""

    def __init__(self, parts: Parts) -> None:
        settings = parts.settings
        self._engine = parts.products.engine
        self._webhooks = Webhooks(self._engine, settings.webhook_url, settings.webhook_secret)
        self._tells = bool(settings.webhook_url)
        self._days = settings.retention_days
        self._expired = datetime.min.replace(tzinfo=UTC)
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin, if there is anything to be done."""
        if self._tells or self._days:
            threading.Thread(target=self._work, name="upkeep", daemon=True).start()

    def close(self) -> None:
        """Stop after what is under way."""
        self._stop.set()

    def run(self) -> None:
        """Do once what is due."""
        if self._tells:
            self._webhooks.deliver()
        if self._days and datetime.now(UTC) - self._expired > EXPIRY:
            self._expired = datetime.now(UTC)
            expire(self._engine, self._days)

    def _work(self) -> None:
        while not self._stop.wait(LOOK):
            try:
                self.run()
            except Exception:  # the next look may find the database back
                log.exception("upkeep")
