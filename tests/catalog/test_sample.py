"""The sample shop is what its script writes, and believable."""

import gzip
import io
from importlib.resources import files
from xml.etree import ElementTree

import numpy as np

from catalog.feeds import jsonlines
from catalog.pictures import picture_hash
from catalog.rows import embedding_texts, vector_hash
from catalog.sample.build import build_history, build_products, build_tastes
from catalog.sample.pictures import SHAPES, draw

PRODUCTS = build_products()
HERE = files("catalog.sample")


def test_the_committed_feed_is_what_the_script_writes() -> None:
    text = io.StringIO()
    jsonlines.write(PRODUCTS, text)
    assert gzip.decompress(HERE.joinpath("products.jsonl.gz").read_bytes()).decode() == text.getvalue()


def test_every_product_has_its_vector() -> None:
    saved = np.load(str(HERE.joinpath("vectors.npz")))
    assert set(saved["hashes"]) == {vector_hash(embedding_texts(p)) for p in PRODUCTS}
    np.testing.assert_allclose(np.linalg.norm(saved["vectors"].astype(np.float32), axis=1), 1, atol=0.01)


def test_every_drawing_has_its_vector() -> None:
    saved = np.load(str(HERE.joinpath("picture_vectors.npz")))
    assert set(saved["hashes"]) == {picture_hash(draw(p).encode()) for p in PRODUCTS}
    np.testing.assert_allclose(np.linalg.norm(saved["vectors"].astype(np.float32), axis=1), 1, atol=0.01)


def test_products_are_complete_in_both_languages() -> None:
    assert len(PRODUCTS) == 1_200
    assert len({p.external_id for p in PRODUCTS}) == 1_200
    assert len({p.texts["en"].category[0] for p in PRODUCTS}) == 5
    for product in PRODUCTS:
        assert product.price > 0
        assert 5 <= len(product.reviews) <= 20
        assert set(product.texts) == {"en", "zh"}
        assert len(product.values("feature", "en")) in (2, 3)
        assert all(t.title and t.description and len(t.category) == 3 for t in product.texts.values())


def test_shoppers_buy_what_they_like() -> None:
    tastes = build_tastes()
    history = build_history(PRODUCTS, tastes)
    brands = {p.external_id: p.brand.split(" ")[0] for p in PRODUCTS}
    liked = {t.shopper: {b.split(" ")[0] for b in t.brands} for t in tastes}

    def share(kind: str) -> float:
        rows = [i for i in history if i.kind == kind]
        return sum(brands[i.product] in liked[i.shopper] for i in rows) / len(rows)

    assert len(tastes) == 300
    assert share("purchase") > share("view") + 0.1


def test_every_picture_is_valid_and_differs() -> None:
    assert {p.external_id.rpartition("-")[0] for p in PRODUCTS} == set(SHAPES)
    drawings = {draw(p) for p in PRODUCTS}
    assert len(drawings) == len(PRODUCTS)
    for drawing in drawings:
        ElementTree.fromstring(drawing)
