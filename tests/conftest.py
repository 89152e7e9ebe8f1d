import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from assistant.build import build, open_llm
from assistant.llm import LLM, embedded
from assistant.settings import Settings
from catalog.embedding import EMBEDDED, Embedder, embed_products, open_embedder
from catalog.schema import open_database
from catalog.search import Search
from catalog.store import ProductStore
from tests.fakes import ScriptedLLM
from tests.toy_shop import PRODUCTS


@pytest.fixture(autouse=True)
def _own_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test touches the user's own shop."""
    monkeypatch.setenv("DAOGOU_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    return open_embedder(EMBEDDED)


@pytest.fixture(autouse=True)
def _one_encoder(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shops of this process share the encoder of texts, which takes two seconds to load."""
    monkeypatch.setattr(
        "assistant.build.open_embedder", lambda model: embedder if model == EMBEDDED else open_embedder(model)
    )


@pytest.fixture
def store(tmp_path: Path) -> ProductStore:
    return ProductStore(open_database(f"sqlite:///{tmp_path}/shop.db"))


@pytest.fixture
def toy(store: ProductStore, embedder: Embedder) -> Search:
    store.upsert(PRODUCTS)
    embed_products(store, embedder)
    return Search(store, embedder)


@pytest.fixture(scope="session")
def sample_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of the sample shop, made once; not to be written to."""
    folder = tmp_path_factory.mktemp("sample")
    build(Settings(data_dir=folder), llm=ScriptedLLM()).products.engine.dispose()
    return folder


@pytest.fixture
def data_dir(sample_shop: Path, tmp_path: Path) -> Path:
    """A sample shop of one's own."""
    return Path(shutil.copytree(sample_shop, tmp_path / "data"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture(scope="session")
def shipped_llm() -> LLM:
    """The embedded model with the shipped adapter; it takes ten seconds to load."""
    return open_llm(Settings())


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Gemma of two narrow layers with random weights."""
    import torch
    from transformers import AutoTokenizer, Gemma3ForCausalLM, Gemma3TextConfig

    path = tmp_path_factory.mktemp("models") / "tiny"
    torch.manual_seed(0)
    config = Gemma3TextConfig(
        vocab_size=262_144, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, layer_types=["full_attention", "full_attention"], initializer_range=0.3,
    )  # fmt: skip
    network: Any = Gemma3ForCausalLM(config)
    network.save_pretrained(path)
    AutoTokenizer.from_pretrained(embedded.fetch(Settings().cache_dir)).save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server of our own, with pgvector, in a temporary directory."""
    from assistant.evaluation.own_postgres import own_postgres

    with own_postgres(tmp_path_factory.mktemp("postgres") / "data") as server:
        yield server.url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return open_database(f"sqlite:///{tmp_path}/either.db")
    url = request.getfixturevalue("postgres_url")
    with create_engine(url).begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
    return open_database(url)
