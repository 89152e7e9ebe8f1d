"""The ranker's recipe on a small made-up shop, with real search."""

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from assistant.build import open_ranker
from assistant.evaluation.feedback import LIKES
from assistant.evaluation.feedback import run as evaluate_feedback
from assistant.evaluation.questions import run as evaluate_questions
from assistant.evaluation.requests import hold_out, run
from assistant.ranking.blend import RankerError
from assistant.ranking.features import features
from assistant.ranking.ranker import Ranker
from assistant.ranking.recommenders import Recommenders
from assistant.ranking.sequence import SequenceRecipe
from assistant.settings import Settings
from assistant.training.ranker import Data, RankerRecipe, context_of, cut_time, fit_models, taste_of, train_ranker
from assistant.training.requests import Request, two_words, visits, write_requests
from catalog.embedding import Embedder, embed_products, product_vectors
from catalog.search import Search
from catalog.store import ProductStore
from catalog.types import Attribute, Interaction, Product, ProductText

NOW = datetime(2026, 1, 1, tzinfo=UTC)
COLORS, KINDS = ("red", "blue", "green", "black"), ("scarf", "mug", "lamp", "belt")
RECIPE = RankerRecipe(content_steps=100, sequence=SequenceRecipe(dim=8, layers=1, epochs=1, pretraining_epochs=0))


def product(kind: str, color: str, number: int) -> Product:
    title = f"{color.capitalize()} {kind} {'plain' if number else 'striped'}"
    return Product(
        f"{kind}-{color}-{number}", Decimal(20 + 10 * number), "CNY", {"en": ProductText(title, "", ("Things", kind))},
        brand="Acme", attributes=(Attribute("color", color, "en"),), stock=5,
    )  # fmt: skip


PRODUCTS = {p.external_id: p for kind in KINDS for color in COLORS for n in (0, 1) for p in [product(kind, color, n)]}


def purchases(shoppers: int = 40, each: int = 6) -> list[Interaction]:
    """Every shopper has a colour, and buys things of that colour alone."""
    rng = random.Random(0)
    found = []
    for shopper in range(shoppers):
        color = COLORS[shopper % len(COLORS)]
        for day in range(each):
            time = NOW + timedelta(days=day, minutes=shopper)
            found.append(
                Interaction(f"s{shopper}", f"{rng.choice(KINDS)}-{color}-{rng.randrange(2)}", "purchase", time)
            )
    return sorted(found, key=lambda i: i.time)


@pytest.fixture
def search(store: ProductStore, embedder: Embedder) -> Search:
    store.upsert(PRODUCTS.values())
    embed_products(store, embedder)
    return Search(store, embedder)


@pytest.fixture
def data(store: ProductStore, search: Search, embedder: Embedder) -> Data:
    vectors = product_vectors(store, embedder.name)
    return Data(purchases(), PRODUCTS, np.stack([vectors[p] for p in PRODUCTS]))


def test_a_trained_ranker_knows_the_shoppers_colour(
    data: Data, store: ProductStore, search: Search, tmp_path: Path
) -> None:
    facts = train_ranker(data, search, tmp_path / "ranker", RECIPE, lambda step: None)
    assert json.loads((tmp_path / "ranker" / "manifest.json").read_text())["lists"] == facts["lists"] > 50
    assert (tmp_path / "ranker" / "curve.png").stat().st_size > 1_000
    assert "validation nDCG@10" in (tmp_path / "ranker" / "README.md").read_text()
    ranker = open_ranker(Settings(data_dir=tmp_path), store)
    for shopper, color in enumerate(COLORS):
        request = Request(f"s{shopper}", NOW + timedelta(days=9), *_asks("scarf"), "")
        ranked = ranker.rank(search.search(request.query), request.state, taste_of(request, data))
        assert {r.product.external_id.split("-")[1] for r in ranked[:2]} == {color}
        assert ranked[0].score == pytest.approx(sum(c.value for c in ranked[0].contributions))


def test_our_blend_is_better_than_either_half(data: Data, search: Search) -> None:
    rows = {row["system"]: row for row in run(data, search, replace(RECIPE, styles=("slots",)), 40, lambda step: None)}
    ours = rows["ours, blend"]
    assert ours["violations"] == 0
    assert ours["nDCG@10"] > max(rows["search alone"]["nDCG@10"], rows["history alone"]["nDCG@10"])


def test_nothing_that_came_later_is_known(data: Data, search: Search) -> None:
    """No feature of a request changes with what happened at its time or after it."""
    cut = cut_time(data.history, RECIPE)
    models, _ = fit_models(data, data.before(cut), RECIPE, lambda step: None)
    request = Request("s1", cut, *_asks("scarf"), "scarf-blue-0")
    later = [Interaction("s1", f"scarf-red-{n}", "purchase", cut + timedelta(days=n)) for n in (0, 1)]
    rows = [_rows(request, search, replace(data, history=h), models) for h in (data.history, [*data.history, *later])]
    np.testing.assert_array_equal(*rows)
    only_earlier = replace(data, history=data.before(cut))
    np.testing.assert_array_equal(rows[0], _rows(request, search, only_earlier, models))
    again, _ = fit_models(only_earlier, only_earlier.history, RECIPE, lambda step: None)
    np.testing.assert_allclose(again.again, models.again)
    assert (again.neighbours.likeness != models.neighbours.likeness).nnz == 0


def test_the_last_visit_is_held_out_whole() -> None:
    view, early = (
        Interaction("a", "mug-red-0", "view", NOW + timedelta(days=3)),
        Interaction("a", "mug-red-1", "purchase", NOW),
    )
    bought = replace(view, kind="purchase", time=view.time + timedelta(minutes=5))
    known, held = hold_out(Data([early, view, bought], PRODUCTS, np.zeros((0, 1), np.float32)), 0)
    assert known.history == [early]
    assert held == [(bought, view.time)]


def test_visits_end_after_half_an_hour_of_nothing() -> None:
    minutes = (0, 10, 39, 70)
    times = [NOW + timedelta(minutes=m) for m in minutes]
    history = [Interaction("a", "x", "view", time) for time in times]
    assert visits(history) == [times[0], times[0], times[0], times[3]]


def test_requests_are_in_the_products_own_words() -> None:
    rng = random.Random(1)
    bought = [(Interaction("a", p, "purchase", NOW), NOW) for p in PRODUCTS] * 5
    for request in write_requests(bought, PRODUCTS, ("words", "slots"), rng):
        target = PRODUCTS[request.target]
        limit = request.query.filters.price_max
        assert limit is None or target.price <= limit
        assert {w.lower() for w in _said(request)} <= {*target.texts["en"].title.lower().split()}
    assert len(two_words("White hanging heart T-light holder", rng).split()) == 2
    assert two_words("42", rng) == ""


def test_too_little_history_is_told(data: Data, search: Search, tmp_path: Path) -> None:
    few = replace(data, history=data.history[:30])
    with pytest.raises(RankerError, match="30 purchases are too few"):
        train_ranker(few, search, tmp_path / "ranker", RECIPE, lambda step: None)
    assert not (tmp_path / "ranker").exists()


def test_likes_weighed_and_alike_are_compared(data: Data, search: Search) -> None:
    rows = evaluate_feedback(data, search, RECIPE, 20, lambda step: None)
    assert [row["likes"] for row in rows] == list(LIKES)
    assert rows[0]["alike"] == rows[0]["weighed"]
    assert all(0 < row["weighed"] <= 1 for row in rows)


def test_questions_shorten_the_way(store: ProductStore, search: Search) -> None:
    rows = {
        row["questions"]: row
        for row in evaluate_questions(list(PRODUCTS.values()), search, Ranker(), 12, lambda step: None)
    }
    assert rows["most telling"]["answers_needed"] <= rows["no question"]["answers_needed"]
    assert rows["most telling"]["never_found"] == 0


def _asks(kind: str) -> tuple[object, object]:
    from assistant.state import DialogueState

    state = DialogueState(intent="find", slots={"category": kind})
    return state.query(), state


def _rows(request: Request, search: Search, data: Data, models: Recommenders) -> np.ndarray:
    candidates = search.search(request.query)
    return features(candidates, context_of(request, taste_of(request, data), models, candidates))


def _said(request: Request) -> Sequence[str]:
    return request.query.text.split()
