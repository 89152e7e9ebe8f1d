"""Figures for Prometheus: counts out of the event log, and how long turns take. No text, nobody's id."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from assistant.build import Parts
from assistant.types import Reply

_SECONDS = (0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30)


class Metrics:
    """What one process measures, and what the database counts for all of them."""

    def __init__(self, parts: Parts) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Log(parts))
        self._turns = Histogram(
            "daogou_turn_seconds", "Time since a turn began, at the end of a stage", ["stage"], buckets=_SECONDS,
            registry=self._registry,
        )  # fmt: skip

    def observe(self, reply: Reply) -> None:
        """Count an answer that is done."""
        for stage, milliseconds in reply.timings.items():
            self._turns.labels(stage).observe(milliseconds / 1000)

    def text(self) -> bytes:
        """All of it in Prometheus' format."""
        return bytes(generate_latest(self._registry))


class _Log(Collector):
    """Read when it is asked for: the same in every process."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def collect(self) -> Iterable[Metric]:
        events = CounterMetricFamily("daogou_events", "Events of all conversations", labels=["kind"])
        for kind, count in self._parts.conversations.counts().items():
            events.add_metric([kind], count)
        yield events
        held = self._parts.conversations.held()
        waiting = self._parts.conversations.waiting()
        yield GaugeMetricFamily("daogou_waiting", "Conversations that wait for a person", value=len(waiting))
        with_staff = len(held) - len(waiting)
        yield GaugeMetricFamily("daogou_with_staff", "Conversations that a person has", value=with_staff)
        yield GaugeMetricFamily("daogou_products", "Products in the catalog", value=self._parts.products.count())
