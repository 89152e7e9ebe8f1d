"""The API keeps its contract whatever it is sent. The full run: `schemathesis run URL/openapi.json`."""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from assistant.build import build
from assistant.settings import Settings
from tests.fakes import ScriptedLLM
from tests.web.conftest import Shop


@pytest.fixture(scope="module")
def own_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    own = Settings(data_dir=tmp_path_factory.mktemp("shop"), explain=False, messages_per_minute=100_000)
    running = Shop(build(own, llm=ScriptedLLM()))
    yield running
    running.close()


@pytest.fixture(scope="module")
def api(own_shop: Shop) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_url(f"{own_shop.url}/openapi.json")


schema = schemathesis.pytest.from_fixture("api").include(path_regex="^/api").exclude(path_regex="stream$")


@schema.parametrize()
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_is_sent(case: schemathesis.Case, own_shop: Shop) -> None:
    visitor = own_shop.visitor()
    checks = [not_a_server_error, status_code_conformance, response_schema_conformance]
    case.call_and_validate(cookies=dict(visitor.cookies), checks=checks)
