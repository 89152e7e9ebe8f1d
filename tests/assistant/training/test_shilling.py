import random
from pathlib import Path

import pytest

from assistant.build import open_store
from assistant.settings import Settings
from assistant.training.ranker import Data, load_data
from assistant.training.shilling import KINDS, Kind, Shop, disguised, suspects


@pytest.fixture(scope="module")
def data(sample_shop: Path) -> Data:
    settings = Settings(data_dir=sample_shop)
    return load_data(open_store(settings), settings.embedding_model)


@pytest.fixture(scope="module")
def shop(data: Data) -> Shop:
    return Shop(data.history, data.products, data.vectors)


def test_nobody_real_is_left_out_of_the_sample_shop(data: Data) -> None:
    assert len(data.left_out) <= 0.01 * len(data.by_shopper)


@pytest.mark.parametrize("kind", KINDS)
def test_false_accounts_are_found(shop: Shop, kind: Kind) -> None:
    """Six accounts behave as real ones do, visit by visit, but for what they meet."""
    rng = random.Random(kind)
    target = rng.choice([p for p in shop.products if shop.popularity[p] < 5])
    made = disguised(shop, kind, target, 6, rng, "eve")
    bought = {i.shopper for i in made if i.kind == "purchase" and i.product == target}
    assert len(bought) == 6
    found = suspects(shop.joined(made))
    assert len([name for name in found if name.startswith("eve")]) >= 5
    assert len(found) <= 9
    assert all(target in why for name, why in found.items() if name.startswith("eve"))


def test_in_a_young_shop_nobody_is_suspected(shop: Shop) -> None:
    few = [i for i in shop.history if i.shopper in set(sorted(shop.by_shopper)[:40])]
    assert suspects(Shop(few, shop.products, shop.vectors)) == {}
