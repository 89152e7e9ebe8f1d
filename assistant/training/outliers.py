"""Shoppers whose history is no shopper's: robots that page through the shop, and accounts that only look.

They would teach the models what nobody wants. Purchases are money and are never held against anybody: a
trader who buys five hundred things at once is a good customer.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np

from catalog.types import Interaction

MOST_A_MINUTE = 40  # looks and clicks that a person can do in one
FAR_OUT = 20.0  # times the spread between quartiles above the upper one
FEWEST = 200  # looks below which nobody is far out


def outliers(history: Sequence[Interaction]) -> Mapping[str, str]:
    """Shopper -> why their history is left out. `history` is earliest first."""
    looks: dict[str, list[Interaction]] = {}
    for interaction in history:
        if interaction.kind not in ("purchase", "rating"):
            looks.setdefault(interaction.shopper, []).append(interaction)
    found = {s: f"{busiest} in one minute" for s, own in looks.items() if (busiest := _busiest(own)) > MOST_A_MINUTE}
    counts = Counter({shopper: len(own) for shopper, own in looks.items()})
    if counts:
        low, high = np.percentile(list(counts.values()), [25, 75])
        limit = max(FEWEST, high + FAR_OUT * (high - low))
        found |= {
            s: f"{n} looks, others at most {limit:.0f}" for s, n in counts.items() if n > limit and s not in found
        }
    return found


def _busiest(own: Sequence[Interaction]) -> int:
    """The most interactions within a minute."""
    window: deque[Interaction] = deque()
    most = 0
    for interaction in own:
        window.append(interaction)
        while interaction.time - window[0].time > timedelta(minutes=1):
            window.popleft()
        most = max(most, len(window))
    return most
