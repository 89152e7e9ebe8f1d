"""How often one shopper, and one address, may write."""

import math
import time
from typing import Any

from fastapi import HTTPException, Request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from assistant.phrases import phrase
from web.language import page_language

TOO_OFTEN: dict[int | str, dict[str, Any]] = {429: {"description": "Too often; `Retry-After` says when"}}
PER_ADDRESS = 10  # times what one shopper may: many share an address


class Limit:
    """At most `per_minute` messages from each shopper, and `PER_ADDRESS` times as many from each address."""

    def __init__(self, per_minute: int) -> None:
        self._windows = MovingWindowRateLimiter(MemoryStorage())
        self._items = {"shopper": RateLimitItemPerMinute(per_minute),
                       "address": RateLimitItemPerMinute(PER_ADDRESS * per_minute)}  # fmt: skip

    def wait(self, who: str, address: str) -> int:
        """Seconds until the next message is allowed; 0 if this one is, which is counted."""
        for kind, name in (("address", address), ("shopper", who)):
            if not self._windows.hit(self._items[kind], kind, name):
                free = self._windows.get_window_stats(self._items[kind], kind, name).reset_time
                return max(1, math.ceil(free - time.time()))
        return 0

    def check(self, who: str, request: Request) -> None:
        """Raises 429 with `Retry-After` where it is too often."""
        if seconds := self.wait(who, request.client.host if request.client else ""):
            language = page_language(request.cookies, request.headers)
            raise HTTPException(429, phrase("too_often", language, seconds=seconds), {"Retry-After": str(seconds)})
