"""Trains the sequence model: masked histories first, then the next product, the best epoch kept."""

import random
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch

from assistant.ranking.behaviour import Behaviour, Ints
from assistant.ranking.sequence import SequenceModel, SequenceRecipe, pad

Report = Callable[[str], Any]
# One row for each epoch: stage, epoch, loss and, of the second stage, nDCG@10 on validation.
Curve = list[dict[str, Any]]


def train_sequence(
    behaviour: Behaviour,
    content: Any,
    recipe: SequenceRecipe,
    validate: Callable[[SequenceModel], float],
    report: Report,
) -> tuple[SequenceModel, Curve]:
    """A model of `behaviour`, that of the epoch for which `validate` gave most, and its curve."""
    torch.manual_seed(recipe.seed)
    model = SequenceModel(len(behaviour.products), content, recipe)
    model.known.copy_(torch.from_numpy(behaviour.counts() > 0)[:, None])
    histories = [h for h in behaviour.sequences() if len(h) > 1]
    curve: Curve = []
    _pretrain(model, histories, curve, report)
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    best, kept, since = -1.0, deepcopy(model.state_dict()), 0
    for epoch in range(1, recipe.epochs + 1):
        loss = _epoch(model, optimizer, histories, epoch, model.loss)
        score = validate(model)
        curve.append({"stage": "next product", "epoch": epoch, "loss": loss, "ndcg@10": score})
        report(f"next product: epoch {epoch}, loss {loss:.3f}, nDCG@10 {score:.4f}")
        since = 0 if score > best else since + 1
        if score > best:
            best, kept = score, deepcopy(model.state_dict())
        if since >= recipe.patience:
            break
    model.load_state_dict(kept)
    return model.eval(), curve


def _pretrain(model: SequenceModel, histories: Sequence[Ints], curve: Curve, report: Report) -> None:
    recipe = model.recipe
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate)
    generator = torch.Generator().manual_seed(recipe.seed)
    for epoch in range(1, recipe.pretraining_epochs + 1):
        loss = _epoch(model, optimizer, histories, -epoch, lambda batch: model.masked_loss(batch, generator))
        curve.append({"stage": "masked products", "epoch": epoch, "loss": loss})
        report(f"masked products: epoch {epoch}, loss {loss:.3f}")


def _epoch(
    model: SequenceModel,
    optimizer: torch.optim.Optimizer,
    histories: Sequence[Ints],
    number: int,
    loss_of: Callable[[torch.Tensor], torch.Tensor],
) -> float:
    """One pass over the histories; the mean loss."""
    model.train()
    losses = []
    for batch in _batches(histories, model.recipe, number):
        loss = loss_of(batch)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        losses.append(loss.item())
    return float(np.mean(losses))


def _batches(histories: Sequence[Ints], recipe: SequenceRecipe, number: int) -> Iterator[torch.Tensor]:
    """Batches of like length, so that little is padding, in an order of their own each epoch."""
    rng = random.Random(recipe.seed * 1_000 + number)
    order = sorted(range(len(histories)), key=lambda at: (len(histories[at]), rng.random()))
    batches = [order[at : at + recipe.batch] for at in range(0, len(order), recipe.batch)]
    rng.shuffle(batches)
    for batch in batches:
        yield pad([histories[at] for at in batch], recipe.length + 1)
