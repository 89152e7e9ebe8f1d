"""Learns how text, attributes, opinions and picture make one vector: the gates and W of `catalog.fusion`.

Two losses, both softmax over a batch. A request, made of some of a product's properties and its kind, shall find that
product among the others (contrastive, after Radford et al., "Learning Transferable Visual Models From Natural Language
Supervision", 2021). A product that was looked at or bought beside another shall be nearer to it than others of its
kind. Parts are left out at random, so that a thin product is understood as well as a rich one.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy, normalize

from assistant.aspects import aspect_name, aspects
from assistant.profile import AVERSE, kind_of
from assistant.training.requests import visits
from catalog.embedding import Embedder
from catalog.fusion import IN_SPACE, PARTS, Floats, Fusion, FusionError, Parts
from catalog.store import ProductStore
from catalog.types import Interaction, Language, Product

FEWEST = 50  # products that a fusion is learned from
PRAISED = 0.85  # share of at least `VOICES` buyers from which a request may ask for what they praise
VOICES = 3.0
ATTRIBUTES = 0.5  # gate of attributes before anything is learned
OTHERS = 4  # products of its kind beside each that was met together
MOST_PAIRS = 200_000
Report = Callable[[str], Any]


@dataclass(frozen=True)
class FusionRecipe:
    """Every hyper-parameter of a fusion's training."""

    requests: int = 4  # made of each product, in each of its languages
    most_requests: int = 40_000
    steps: int = 600
    batch: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    left_out: float = 0.3  # how often a part but the text is
    sharpness: float = 20.0  # of the softmax over requests ...
    sharpness_of_pairs: float = 10.0  # ... and over products met together
    pairs_weight: float = 0.2  # of the second loss beside the first
    validation: float = 0.1  # share of the products whose requests choose the step
    validate_every: int = 50
    seed: int = 7


@dataclass(frozen=True)
class Examples:
    """What is learned from: `parts` (N, D_p) of the products, `requests` (R, D) with the product that each is `about`,
    and `pairs` (M, 2) of products met together. `kinds` (N,) numbers the products' kinds.
    """

    products: Sequence[Product]
    parts: Mapping[str, Floats]
    requests: Floats
    about: Any
    pairs: Any
    kinds: Any


def train_fusion(
    store: ProductStore, embedder: Embedder, picture_model: str, recipe: FusionRecipe, report: Report
) -> tuple[Fusion, dict[str, Any]]:
    """A fusion of the shop's products, and what came of the training. Raises `FusionError` for too few products."""
    report("reading the products' parts")
    products, parts = all_parts(Parts(store, embedder, picture_model, aspects()))
    if len(products) < FEWEST:
        raise FusionError(f"{len(products)} products are too few to learn a fusion from: at least {FEWEST} are needed")
    report("making requests")
    examples = examples_of(products, parts, store.histories(), embedder, recipe)
    weights, gates, facts = learn(examples, list(parts), recipe, report)
    return Fusion(embedder.name, picture_model, aspects(), gates, weights), facts


def all_parts(source: Parts) -> tuple[list[Product], dict[str, Floats]]:
    """Every product, and its parts (N, D_p); zero where one is missing."""
    pages = [(products, parts) for _, products, parts in source.batches()]
    widths = {name: part.shape[1] for _, parts in pages for name, part in parts.items()}
    whole = {
        name: np.concatenate([p.get(name, np.zeros((len(own), widths[name]), np.float32)) for own, p in pages])
        for name in PARTS
        if name in widths
    }
    return [p for own, _ in pages for p in own], whole


def examples_of(
    products: Sequence[Product],
    parts: Mapping[str, Floats],
    history: Sequence[Interaction],
    embedder: Embedder,
    recipe: FusionRecipe,
) -> Examples:
    """Requests that the products could have answered, and which of them were met together."""
    rng = random.Random(recipe.seed)
    written = [(n, text) for n, p in enumerate(products) for text in requests_of(p, recipe.requests, rng)]
    written = rng.sample(written, min(len(written), recipe.most_requests))
    places = {p.external_id: n for n, p in enumerate(products)}
    pairs = list(met_together(history, places))
    kinds = {kind: n for n, kind in enumerate(dict.fromkeys(map(kind_of, products)))}
    return Examples(
        products, parts, embedder.embed([text for _, text in written]), np.array([n for n, _ in written]),
        np.array(rng.sample(pairs, min(len(pairs), MOST_PAIRS)), dtype=np.int64).reshape(-1, 2),
        np.array([kinds[kind_of(p)] for p in products]),
    )  # fmt: skip


def requests_of(product: Product, count: int, rng: random.Random) -> Iterator[str]:
    """What might be asked for, for a product to be the answer: one to three of its properties, and its kind."""
    for language in sorted(product.texts):
        wishes = wishes_of(product, language)  # type: ignore[arg-type]
        for _ in range(count):
            chosen = rng.sample(wishes, min(len(wishes), rng.randint(1, 3)))
            yield " ".join(filter(None, [*chosen, kind_of(product, language)]))


def wishes_of(product: Product, language: Language) -> list[str]:
    """The properties that a product can be asked for by, with what buyers praise."""
    praised = [o.aspect for o in product.opinions if o.good >= VOICES and o.good >= PRAISED * (o.good + o.bad)]
    good = {"en": "good {}", "zh": "{}好"}[language if language == "zh" else "en"]
    named = [a.value for a in product.attributes if a.language in ("", language)]
    return list(dict.fromkeys([*named, *(good.format(aspect_name(aspect, language)) for aspect in praised)]))


def met_together(history: Sequence[Interaction], places: Mapping[str, int]) -> Iterator[tuple[int, int]]:
    """Products looked at in one visit, and products bought by one shopper; each pair as often as that happened."""
    by_shopper: defaultdict[str, list[Interaction]] = defaultdict(list)
    for one in history:
        if one.kind not in AVERSE and one.product in places:
            by_shopper[one.shopper].append(one)
    for own in by_shopper.values():
        visited: defaultdict[Any, dict[int, None]] = defaultdict(dict)
        for one, began in zip(own, visits(own), strict=True):
            visited[began][places[one.product]] = None
        bought = list(dict.fromkeys(places[i.product] for i in own if i.kind == "purchase"))
        for group in (*visited.values(), bought):
            yield from ((a, b) for a in group for b in group if a != b)


def learn(
    examples: Examples, names: Sequence[str], recipe: FusionRecipe, report: Report
) -> tuple[dict[str, Floats], dict[str, float], dict[str, Any]]:
    """Weights and gates of the parts `names`, those of the step that best answers the requests for products held out."""
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    network = FusionNetwork({n: examples.parts[n] for n in names}, examples.requests.shape[1], recipe)
    optimizer = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    held = set(rng.permutation(len(examples.products))[: int(len(examples.products) * recipe.validation)].tolist())
    is_held = np.array([about in held for about in examples.about])
    trained, validated = np.flatnonzero(~is_held), np.flatnonzero(is_held)
    best, kept, curve = -1.0, network.learned(), []
    for step in range(recipe.steps + 1):
        if step % recipe.validate_every == 0:
            found = network.found(examples, validated)
            curve.append({"step": step, "recall@10": round(found, 4)})
            report(f"fusion: step {step} of {recipe.steps}, recall@10 {found:.3f}")
            if found > best:
                best, kept = found, network.learned()
        loss = network.request_loss(examples, rng.choice(trained, recipe.batch))
        if len(examples.pairs):
            loss = loss + recipe.pairs_weight * network.pair_loss(examples, rng)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    weights, gates = kept
    facts = {"products": len(examples.products), "requests": len(examples.about), "pairs": len(examples.pairs),
             "parts": list(names), "recall@10 before": curve[0]["recall@10"], "recall@10": round(best, 4)}  # fmt: skip
    return weights, gates, facts


class FusionNetwork(torch.nn.Module):
    """The fusion while it is learned: W starts at zero, so that it begins as texts and attributes are."""

    def __init__(self, parts: Mapping[str, Floats], width: int, recipe: FusionRecipe) -> None:
        super().__init__()
        self._recipe = recipe
        self._parts = {name: torch.from_numpy(part) for name, part in parts.items()}
        self._weights = torch.nn.ParameterDict(
            {name: torch.nn.Parameter(torch.zeros(width, part.shape[1])) for name, part in parts.items()}
        )
        gates = {"text": 1.0, "attributes": ATTRIBUTES}
        self._gates = torch.nn.ParameterDict(
            {name: torch.nn.Parameter(torch.tensor(gates[name])) for name in IN_SPACE if name in parts}
        )

    def forward(self, rows: torch.Tensor, leave_out: bool = True) -> torch.Tensor:
        """Fused vectors (B, D) of the products in `rows` (B,)."""
        whole = torch.zeros(())
        for name, part in self._parts.items():
            own = part[rows]  # (B, D_p)
            fused = own @ self._weights[name].T  # (B, D)
            if name in self._gates:
                fused = fused + self._gates[name] * own
            if leave_out and name != "text":
                fused = fused * (torch.rand(len(rows), 1) >= self._recipe.left_out)
            whole = whole + fused
        return normalize(whole, dim=1)

    def request_loss(self, examples: Examples, chosen: Any) -> torch.Tensor:
        """Each request shall find its own product among those of the batch."""
        asked = torch.from_numpy(examples.requests[chosen])  # (B, D)
        fused = self(torch.from_numpy(examples.about[chosen]))  # (B, D)
        return cross_entropy(asked @ fused.T * self._recipe.sharpness, torch.arange(len(chosen)))

    def pair_loss(self, examples: Examples, rng: np.random.Generator) -> torch.Tensor:
        """A product shall be nearer to one met with it than others of the other's kind are."""
        pairs = examples.pairs[rng.integers(0, len(examples.pairs), self._recipe.batch)]  # (B, 2)
        others = np.stack([same_kind(examples.kinds, pairs[:, 1], rng) for _ in range(OTHERS)], axis=1)  # (B, O)
        one, two = self(torch.from_numpy(pairs[:, 0])), self(torch.from_numpy(pairs[:, 1]))  # (B, D)
        apart = self(torch.from_numpy(others.reshape(-1))).view(len(pairs), OTHERS, -1)  # (B, O, D)
        near = torch.cat([(one * two).sum(1, keepdim=True), torch.einsum("bd,bod->bo", one, apart)], dim=1)
        return cross_entropy(near * self._recipe.sharpness_of_pairs, torch.zeros(len(pairs), dtype=torch.long))

    @torch.no_grad()
    def found(self, examples: Examples, chosen: Any) -> float:
        """Share of these requests whose product is among the ten nearest of the whole catalog."""
        if not len(chosen):
            return 0.0
        fused = self(torch.arange(len(examples.products)), leave_out=False)
        near = torch.from_numpy(examples.requests[chosen]) @ fused.T  # (R, N)
        own = near.gather(1, torch.from_numpy(examples.about[chosen])[:, None])
        return float(((near >= own).sum(dim=1) <= 10).float().mean())  # what is as near stands before it

    def learned(self) -> tuple[dict[str, Floats], dict[str, float]]:
        """Copies of weights and gates."""
        weights = {name: w.detach().numpy().copy() for name, w in self._weights.items()}
        return weights, {name: gate.item() for name, gate in self._gates.items()}


def same_kind(kinds: Any, rows: Any, rng: np.random.Generator) -> Any:
    """For each of the rows (B,) one of its kind, drawn by lot, itself perhaps."""
    order = np.argsort(kinds, kind="stable")
    starts = np.searchsorted(kinds[order], np.arange(kinds.max() + 2))
    first, last = starts[kinds[rows]], starts[kinds[rows] + 1]
    return order[first + (rng.random(len(rows)) * (last - first)).astype(np.int64)]
