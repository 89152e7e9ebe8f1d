"""Where spans come from. Without a provider (`assistant.tracing`) they cost next to nothing and go nowhere."""

from opentelemetry import trace

tracer = trace.get_tracer("daogou")
