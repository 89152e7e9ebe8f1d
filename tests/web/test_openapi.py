"""The API keeps its contract whatever it is sent; `make contract` sends more."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from assistant.build import build
from assistant.settings import Settings
from tests.fakes import ScriptedLLM
from tests.web.conftest import Shop

EXAMPLES = int(os.environ.get("CONTRACT_EXAMPLES", "12"))  # for each operation
CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]


@schemathesis.serializer("audio/webm", "audio/ogg", "audio/mp4", "audio/wav", "audio/flac", "audio/mpeg")
def recording(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """Recordings are sent as they are."""
    return bytes(getattr(value, "data", value))


@pytest.fixture(scope="module")
def own_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    own = Settings(data_dir=tmp_path_factory.mktemp("shop"), explain=False, messages_per_minute=100_000)
    running = Shop(build(own, llm=ScriptedLLM()))
    yield running
    running.close()


def test_whatever_is_sent(own_shop: Shop) -> None:
    schema = schemathesis.openapi.from_url(f"{own_shop.url}/openapi.json")
    cookies = dict(own_shop.visitor().cookies)
    operations = [found.ok() for found in schema.include(path_regex="^/api").get_all_operations()]
    asked = [one for one in operations if not one.path.endswith("/stream")]
    assert len(asked) >= 15
    for operation in asked:

        @given(case=operation.as_strategy())
        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
        def ask(case: schemathesis.Case) -> None:
            case.call_and_validate(cookies=cookies, checks=CHECKS)

        ask()
