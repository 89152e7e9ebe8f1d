"""One vector of all that is known of a product."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog.embedding import add_vectors, embed_products
from catalog.fusion import MANIFEST, Fusion, FusionError, Parts, fused_index, opinions_part
from catalog.search import Search
from catalog.store import ProductStore
from catalog.types import Opinion, Query
from tests.toy_shop import PRODUCTS

PICTURES = "a camera"
ASPECTS = ("comfort", "fit")


@pytest.fixture
def shop(store: ProductStore, embedder: Any) -> ProductStore:
    """The toy shop, in which one product has a picture and one has opinions."""
    store.upsert(PRODUCTS)
    embed_products(store, embedder)
    add_vectors(store.engine, PICTURES, {"seen": np.array([0.6, 0.8], dtype=np.float32)})
    store.set_pictures({"bag": "seen"})
    store.set_opinions({"road": [Opinion("comfort", 10, 0), Opinion("smell", 1, 1)]})
    return store


def plain(embedder: Any) -> Fusion:
    """Text as it is, and nothing else."""
    return Fusion(embedder.name, PICTURES, ASPECTS, {"text": 1.0}, {"text": np.zeros((512, 512), np.float32)})


def test_parts_of_what_there_is(shop: ProductStore, embedder: Any) -> None:
    ((ids, products, parts),) = list(Parts(shop, embedder, PICTURES, ASPECTS).batches())
    at = {p.external_id: n for n, p in enumerate(products)}
    assert len(ids) == len(PRODUCTS)
    assert parts["text"].shape == (len(PRODUCTS), 512)
    assert parts["picture"][at["bag"]] == pytest.approx([0.6, 0.8], abs=1e-3)
    assert not np.delete(parts["picture"], at["bag"], axis=0).any()
    assert parts["opinions"][at["road"]][0] > 0.1
    assert not np.delete(parts["opinions"], at["road"], axis=0).any()
    assert np.linalg.norm(parts["attributes"], axis=1) == pytest.approx(1, abs=1e-5)


def test_attribute_values_are_embedded_once(shop: ProductStore, embedder: Any) -> None:
    class Counting:
        name = embedder.name
        texts = 0

        def embed(self, texts: list[str]) -> Any:
            self.texts += len(texts)
            return embedder.embed(texts)

    counting = Counting()
    for _ in range(2):
        list(Parts(shop, counting, PICTURES, ASPECTS).batches())
    assert 0 < counting.texts < 40


def test_a_shop_without_pictures_and_opinions_lacks_these_parts(
    toy: Search, store: ProductStore, embedder: Any
) -> None:
    ((_, _, parts),) = list(Parts(store, embedder, PICTURES, ASPECTS).batches())
    assert set(parts) == {"text", "attributes"}


def test_few_voices_say_little() -> None:
    one, many, none = opinions_part([[Opinion("fit", 1, 0)], [Opinion("fit", 20, 0)], []], ASPECTS)
    assert 0 < one[1] < many[1] <= 0.2
    assert not none.any()


def test_text_alone_finds_as_before(shop: ProductStore, embedder: Any) -> None:
    query = Query("红色围巾")
    fused = Search(shop, embedder, plain(embedder)).search(query)
    assert [c.product.external_id for c in fused] == [
        c.product.external_id for c in Search(shop, embedder).search(query)
    ]


def test_an_opinion_can_lead_to_a_product(shop: ProductStore, embedder: Any) -> None:
    asked = embedder.embed(["softest"])[0]
    weights = {**plain(embedder).weights, "opinions": np.zeros((512, 4), np.float32)}
    weights["opinions"][:, 0] = 100 * asked
    index = fused_index(shop, embedder, replace(plain(embedder), weights=weights))
    first = index.rank(asked, index.ids, 1)
    assert shop.by_id(first)[first[0]].external_id == "road"


def test_it_follows_the_catalog(shop: ProductStore, embedder: Any) -> None:
    search = Search(shop, embedder, plain(embedder))
    search.search(Query("scarf"))
    shop.upsert([replace(PRODUCTS[0], external_id="new-scarf")])
    embed_products(shop, embedder)
    assert any(c.product.external_id == "new-scarf" and c.dense_rank for c in search.search(Query("red scarf")))


def test_it_is_kept_and_read_again(tmp_path: Path, embedder: Any) -> None:
    plain(embedder).save(tmp_path)
    read = Fusion.load(tmp_path)
    assert (read.embedding_model, read.picture_model, read.aspects) == (embedder.name, PICTURES, ASPECTS)
    assert read.gates == {"text": 1.0}


def test_what_is_no_fusion_is_refused(tmp_path: Path, embedder: Any) -> None:
    with pytest.raises(FusionError, match="daogou train fusion"):
        Fusion.load(tmp_path)
    plain(embedder).save(tmp_path)
    (tmp_path / MANIFEST).write_text("{}", "utf-8")
    with pytest.raises(FusionError, match="embedding_model"):
        Fusion.load(tmp_path)
