"""Figures for Prometheus: counts out of the event log, and what this process spends its time on. No text, nobody's id."""

from collections.abc import Iterable

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from assistant.build import Parts
from assistant.llm.protocol import INPUT_TOKENS, OUTPUT_TOKENS
from assistant.types import Reply

_SECONDS = (0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30)
_STEP_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)


class Metrics(SpanProcessor):
    """What one process measures, and what the database counts for all of them."""

    def __init__(self, parts: Parts) -> None:
        self._registry = own = CollectorRegistry()
        own.register(_Log(parts))
        self._turns = Histogram(
            "daogou_turn_seconds", "Time since a turn began, at the end of a stage", ["stage"], registry=own,
            buckets=_SECONDS,
        )  # fmt: skip
        self._steps = Histogram(
            "daogou_step_seconds", "How long a step of a turn takes", ["step"], registry=own, buckets=_STEP_SECONDS
        )
        self._failed = Counter("daogou_step_failures", "Steps of turns that failed", ["step"], registry=own)
        self._tokens = Counter("daogou_tokens", "Tokens of the language model", ["kind"], registry=own)
        away = Gauge("daogou_language_model_away", "1 while the model's server is left alone", registry=own)
        away.set_function(lambda: float(parts.llm.is_away))

    def observe(self, reply: Reply) -> None:
        """Count an answer that is done."""
        for stage, milliseconds in reply.timings.items():
            self._turns.labels(stage).observe(milliseconds / 1000)

    def on_end(self, span: ReadableSpan) -> None:
        """Count a step that is over."""
        if span.start_time and span.end_time:
            self._steps.labels(span.name).observe((span.end_time - span.start_time) / 1e9)
        if not span.status.is_ok:
            self._failed.labels(span.name).inc()
        for kind, name in (("read", INPUT_TOKENS), ("written", OUTPUT_TOKENS)):
            if isinstance(tokens := (span.attributes or {}).get(name), int):
                self._tokens.labels(kind).inc(tokens)

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
