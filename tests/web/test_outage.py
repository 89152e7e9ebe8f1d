"""The drill in small: the model's server and the database are killed while shoppers chat."""

from pathlib import Path

import pytest

from web import outage


@pytest.mark.postgres
def test_nothing_is_lost_when_model_and_database_die(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "AWAY_SECONDS", 2.0)
    monkeypatch.setattr(outage, "BETWEEN_SECONDS", 6.0)
    one, all_of_it = outage.outage(4, tmp_path, lambda line: None, outages=["both"])
    assert one["refused"] > 0
    assert one["well again after s"] is not None
    assert all_of_it["acknowledged"] > 0
    told = ("lost", "doubled", "out_of_order", "unanswered", "broken", "no answer")
    assert {name: all_of_it[name] for name in told} == dict.fromkeys(told, 0)
