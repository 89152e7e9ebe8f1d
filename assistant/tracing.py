"""Traces of turns: OpenTelemetry spans, kept beside each answer, and sent to a collector if there is one.

Names of what a language model used follow OpenTelemetry's conventions for generative AI. No span holds what anybody said.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from opentelemetry import context, trace
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider

from catalog.errors import UserError
from catalog.tracing import tracer

_STEPS = context.create_key("daogou-steps")
_MILLION = 1e6  # nanoseconds in a millisecond


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a turn: `begin` and `took` in milliseconds since the turn began, `depth` below it."""

    name: str
    depth: int
    begin: float
    took: float
    details: dict[str, Any]


class Turn:
    """The steps of a turn under way."""

    def __init__(self, root: trace.Span, spans: list[ReadableSpan]) -> None:
        self._root = root
        self._spans = spans

    def tell(self, **details: str | int | float | bool) -> None:
        """Note something of the turn as a whole."""
        for name, value in details.items():
            self._root.set_attribute(f"daogou.{name}", value)

    def steps(self) -> list[dict[str, Any]]:
        """The steps that are over, each as JSON, those within another after it."""
        if not self._spans:
            return []
        start, depths = self._spans[0].start_time or 0, {_id(self._spans[0]): 0}
        told = []
        for span in self._spans[1:]:
            depth = depths.get(span.parent.span_id if span.parent else 0, 0) + 1
            depths[_id(span)] = depth
            if span.end_time and span.start_time:
                begin, took = (span.start_time - start) / _MILLION, (span.end_time - span.start_time) / _MILLION
                step = Step(span.name, depth, round(begin, 1), round(took, 1), dict(span.attributes or {}))
                told.append(asdict(step))
        return told


@contextmanager
def traced_turn(conversation: str) -> Iterator[Turn]:
    """The span of a turn, whose steps are kept meanwhile."""
    spans: list[ReadableSpan] = []
    token = context.attach(context.set_value(_STEPS, spans))
    try:
        with tracer.start_as_current_span("turn", attributes={"daogou.conversation": conversation}) as root:
            yield Turn(root, spans)
    finally:
        context.detach(token)


def steps_of(payload: Any) -> list[Step]:
    """The steps that are kept beside an answer."""
    return [Step(**step) for step in payload.get("trace", ())]


def start_tracing(endpoint: str, processors: Sequence[SpanProcessor] = ()) -> None:
    """Keep steps of turns from now on, and send spans to an OTLP collector such as http://localhost:4318, if named.

    Raises `UserError` where what sends them is not installed.
    """
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):  # else it is another part of this process that has begun
        about = {SERVICE_NAME: "daogou", SERVICE_VERSION: version("daogou")}
        provider = TracerProvider(resource=Resource.create(about))
        provider.add_span_processor(_Keeper())
        if endpoint:
            provider.add_span_processor(_sender(endpoint))
        trace.set_tracer_provider(provider)
    for processor in processors:
        provider.add_span_processor(processor)


class _Keeper(SpanProcessor):
    """Notes each span of a turn in the turn's list, in the order in which they begin."""

    def on_start(self, span: Span, parent_context: context.Context | None = None) -> None:
        spans = context.get_value(_STEPS, parent_context)
        if isinstance(spans, list):
            spans.append(span)


def _sender(endpoint: str) -> SpanProcessor:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise UserError("to send traces needs pip install 'daogou[telemetry]'") from error
    return BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces"))


def _id(span: ReadableSpan) -> int:
    found = span.get_span_context()
    return found.span_id if found else 0
