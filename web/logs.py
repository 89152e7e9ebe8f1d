"""What a running shop logs: no personal data, and with every line the trace that it belongs to."""

import logging

from opentelemetry import trace
from pythonjsonlogger.json import JsonFormatter

from assistant.masking import MaskingFilter
from assistant.settings import Settings

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_FIELDS = "%(asctime)s %(levelname)s %(name)s %(message)s %(trace)s"


class TraceFilter(logging.Filter):
    """Puts the id of the current trace, if any, on a line."""

    def filter(self, record: logging.LogRecord) -> bool:
        current = trace.get_current_span().get_span_context()
        record.trace = f"{current.trace_id:032x}" if current.is_valid else ""
        return True


def configure_logs(settings: Settings) -> None:
    """Log to standard error as the settings say."""
    handler = logging.StreamHandler()
    is_json = settings.log_format == "json"
    names = {"asctime": "time", "levelname": "level", "name": "logger"}
    handler.setFormatter(JsonFormatter(_FIELDS, rename_fields=names) if is_json else logging.Formatter(_TEXT))
    for filter_ in (MaskingFilter(), TraceFilter()):
        handler.addFilter(filter_)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("assistant", "catalog", "web"):
        logging.getLogger(name).setLevel(settings.log_level)
