"""A federation of two shops: Flower's server, two clients and the run that begins it, each a process of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assistant.build import open_store
from assistant.settings import Settings
from assistant.training.federated import SequenceLearner, load_start
from assistant.training.ranker import RankerRecipe
from catalog.embedding import Embedder, embed_products
from catalog.types import Interaction, Product
from tests.toy_shop import PRODUCTS
from web.paced import free_port

ROOT = Path(__file__).parents[3]
FLOWER = ROOT / ".venv" / "federated"  # an environment of its own: it wants an older protobuf
START = datetime(2026, 1, 1, tzinfo=UTC)

pytestmark = [
    pytest.mark.federated,
    pytest.mark.skipif(not FLOWER.is_dir(), reason="Flower is not installed: make .venv/federated"),
]


def shop_in(folder: Path, products: list[Product], embedder: Embedder) -> Path:
    """A shop's data directory with a week of purchases."""
    store = open_store(Settings(data_dir=folder))
    store.upsert(products)
    embed_products(store, embedder)
    for shopper in range(8):
        for day, product in enumerate(products[shopper % 2 :: 2]):
            store.interact(Interaction(f"s{shopper}", product.external_id, "purchase", START + timedelta(days=day)))
    store.engine.dispose()
    return folder


@contextmanager
def running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("w") as out, subprocess.Popen(
        [FLOWER / "bin" / command[0], *command[1:]], env=environment, stdout=out, stderr=out, start_new_session=True
    ) as process:  # fmt: skip
        try:
            yield
        finally:
            os.killpg(process.pid, 9)


def wait_for(log: Path, words: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while words not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()[-2_000:]
        time.sleep(0.2)


@dataclass(frozen=True)
class Federation:
    """Where it lies, its server's port, and what its processes find."""

    folder: Path
    port: int
    environment: dict[str, str]

    def learn(self, shops: Sequence[Path], config: str) -> tuple[str, dict[str, Any]]:
        """What a run among shops printed and what was learned."""
        logs = [self.folder / f"{name}.log" for name in ("link", *(shop.name for shop in shops))]
        with ExitStack() as stack:
            link = ["flower-superlink", "--insecure", "--port", str(self.port)]
            stack.enter_context(running(link, self.environment, logs[0]))
            wait_for(logs[0], "startup complete")
            for shop, log in zip(shops, logs[1:], strict=True):
                node = ["flower-supernode", "--insecure", "--superlink", f"127.0.0.1:{self.port}",
                        "--port", str(free_port()), "--node-config", f"data-dir='{shop}'"]  # fmt: skip
                stack.enter_context(running(node, self.environment, log))
            application = str(ROOT / "docs" / "deploy" / "federation")
            told = subprocess.run(
                [FLOWER / "bin" / "flwr", "run", application, "federation", "--stream", "--run-config",
                 f"{config} out='{self.folder}'"],
                env=self.environment, capture_output=True, text=True, timeout=240,
            )  # fmt: skip
        assert (self.folder / "federated.npz").exists(), told.stdout[-3_000:] + told.stderr[-1_000:]
        return told.stdout, dict(np.load(self.folder / "federated.npz"))


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    """A home of Flower that knows our server, on a free port."""
    home, port = tmp_path / "flower", free_port()
    home.mkdir()
    (home / "config.toml").write_text(
        f'[superlink]\ndefault = "federation"\n[superlink.federation]\naddress = "127.0.0.1:{port}"\ninsecure = true\n'
    )
    environment = {**os.environ, "PYTHONPATH": f"{FLOWER}:{ROOT}", "FLWR_HOME": str(home), "FLWR_TELEMETRY_ENABLED": "0",
                   "PATH": f"{FLOWER / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"}  # fmt: skip
    return Federation(tmp_path, port, environment)


def test_two_shops_learn_together_and_no_history_leaves_them(
    tmp_path: Path, embedder: Embedder, federation: Federation
) -> None:
    """They sell different things: what they share knows products by their vectors alone."""
    shops = [
        shop_in(tmp_path / "one", list(PRODUCTS[:6]), embedder),
        shop_in(tmp_path / "two", list(PRODUCTS[6:]), embedder),
    ]
    said, learned = federation.learn(shops, "rounds=2 noise=2.0")
    assert "privacy spent: epsilon" in said
    assert learned["weight"].shape == (512, 512)
    assert np.isfinite(learned["weight"]).all()
    assert not np.allclose(learned["weight"], 4 * np.eye(512))


def test_branches_of_one_catalog_learn_what_comes_next(
    tmp_path: Path, embedder: Embedder, federation: Federation
) -> None:
    branches = [shop_in(tmp_path / name, list(PRODUCTS), embedder) for name in ("one", "two")]
    said, learned = federation.learn(branches, f"model='sequence' rounds=2 products={len(PRODUCTS)}")
    assert "privacy" not in said
    start = load_start(tmp_path / "federated.npz", [p.external_id for p in PRODUCTS], 512)
    assert start.sequence is not None
    first = SequenceLearner.begin(len(PRODUCTS), np.zeros((len(PRODUCTS), 512), np.float32), RankerRecipe().sequence)
    assert np.isfinite(learned["own.weight"]).all()
    assert not np.allclose(learned["own.weight"], first["own.weight"])
