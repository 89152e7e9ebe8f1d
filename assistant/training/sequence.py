"""Trains the sequence model: masked histories first, then the next product, the best epoch kept."""

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from assistant.ranking.behaviour import Behaviour, Floats, Ints
from assistant.ranking.sequence import SequenceRecipe
from assistant.training.sequence_network import SequenceNetwork, pad

Report = Callable[[str], Any]
# One row for each epoch: stage, epoch, loss and, of the second stage, nDCG@10 on validation.
Curve = list[dict[str, Any]]
STAGES = ("masked products", "next product")
CHECKPOINT = "sequence.pt"


@dataclass
class Progress:
    """Where training is: epochs done of each stage, the best weights so far and what they scored."""

    done: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STAGES, 0))
    curve: Curve = field(default_factory=list)
    best: float = -1.0
    since_best: int = 0
    kept: dict[str, Any] = field(default_factory=dict)


def train_sequence(
    behaviour: Behaviour,
    content: Any,
    recipe: SequenceRecipe,
    validate: Callable[[SequenceNetwork], float],
    report: Report,
    folder: Path | None = None,
    start: Mapping[str, Floats] | None = None,
) -> tuple[SequenceNetwork, Curve]:
    """A model of `behaviour`, that of the epoch for which `validate` gave most, and its curve; from `start` on, if given.

    With a `folder`, TensorBoard's logs and a checkpoint of every epoch go there; training of the same recipe on
    the same behaviour that was cut off is gone on with as if it had not been.
    """
    torch.manual_seed(recipe.seed)
    model = SequenceNetwork(len(behaviour.products), content, recipe)
    if start is not None:
        model.take(start)
    model.known.copy_(torch.from_numpy(behaviour.counts() > 0)[:, None])
    histories = [h for h in behaviour.sequences() if len(h) > 1]
    run = _Run(model, histories, validate, report, folder, _fingerprint(behaviour, recipe, start))
    run.pretrain()
    run.train()
    run.finish()
    model.load_state_dict(run.progress.kept or model.state_dict())
    return model.eval(), run.progress.curve


class _Run:
    """One training: its state, and where it is kept."""

    def __init__(
        self,
        model: SequenceNetwork,
        histories: Sequence[Ints],
        validate: Callable[[SequenceNetwork], float],
        report: Report,
        folder: Path | None,
        fingerprint: str,
    ) -> None:
        self.progress = Progress()
        self._model, self._recipe, self._histories = model, model.recipe, histories
        self._validate, self._report = validate, report
        self._folder, self._fingerprint = folder, fingerprint
        decay = model.recipe.weight_decay
        self._optimizers = {
            stage: torch.optim.AdamW(
                model.parameters(), lr=model.recipe.learning_rate, weight_decay=decay if stage == STAGES[1] else 0.01
            )
            for stage in STAGES
        }
        self._generator = torch.Generator().manual_seed(model.recipe.seed)
        self._logs: Any = None
        if folder is not None:
            from torch.utils.tensorboard import SummaryWriter

            folder.mkdir(parents=True, exist_ok=True)
            self._logs = SummaryWriter(str(folder))
            self._resume(folder / CHECKPOINT)

    def pretrain(self) -> None:
        """Hidden products out of those around them."""
        for epoch in range(self.progress.done[STAGES[0]] + 1, self._recipe.pretraining_epochs + 1):
            loss = self._epoch(STAGES[0], -epoch, lambda batch: self._model.masked_loss(batch, self._generator))
            self._note(STAGES[0], epoch, {"loss": loss})

    def train(self) -> None:
        """The next product, until validation has not become better for a while."""
        progress = self.progress
        for epoch in range(progress.done[STAGES[1]] + 1, self._recipe.epochs + 1):
            if progress.since_best >= self._recipe.patience:
                break
            loss = self._epoch(STAGES[1], epoch, self._model.loss)
            score = self._validate(self._model)
            progress.since_best = 0 if score > progress.best else progress.since_best + 1
            if score > progress.best:
                progress.best, progress.kept = score, deepcopy(self._model.state_dict())
            self._note(STAGES[1], epoch, {"loss": loss, "ndcg@10": score})

    def finish(self) -> None:
        """Nothing is left to go on with."""
        if self._folder is not None:
            self._logs.close()
            (self._folder / CHECKPOINT).unlink(missing_ok=True)

    def _epoch(self, stage: str, number: int, loss_of: Callable[[torch.Tensor], torch.Tensor]) -> float:
        """One pass over the histories; the mean loss."""
        self._model.train()
        optimizer = self._optimizers[stage]
        losses = []
        for batch in batches(self._histories, self._recipe, number):
            loss = loss_of(batch)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self._model.parameters(), 5.0)
            optimizer.step()
            losses.append(loss.item())
        return float(np.mean(losses))

    def _note(self, stage: str, epoch: int, measured: dict[str, float]) -> None:
        self.progress.done[stage] = epoch
        self.progress.curve.append({"stage": stage, "epoch": epoch, **measured})
        self._report(f"{stage}: epoch {epoch}, " + ", ".join(f"{k} {v:.4f}" for k, v in measured.items()))
        if self._folder is not None:
            for name, value in measured.items():
                self._logs.add_scalar(f"{stage}/{name}", value, epoch)
            self._save(self._folder / CHECKPOINT)

    def _save(self, path: Path) -> None:
        state = {
            "fingerprint": self._fingerprint,
            "progress": asdict(self.progress),
            "model": self._model.state_dict(),
            "optimizers": {stage: o.state_dict() for stage, o in self._optimizers.items()},
            "random": torch.get_rng_state(),
            "masks": self._generator.get_state(),
        }
        new = path.with_suffix(".new")
        torch.save(state, new)
        new.replace(path)

    def _resume(self, path: Path) -> None:
        """Go on from a checkpoint; one of another recipe or other behaviour is passed over."""
        state: Any = torch.load(path, weights_only=True) if path.exists() else {}
        if state.get("fingerprint") != self._fingerprint:
            return
        self.progress = Progress(**state["progress"])
        self._model.load_state_dict(state["model"])
        for stage, optimizer in self._optimizers.items():
            optimizer.load_state_dict(state["optimizers"][stage])
        torch.set_rng_state(state["random"])
        self._generator.set_state(state["masks"])


def _fingerprint(behaviour: Behaviour, recipe: SequenceRecipe, start: Mapping[str, Floats] | None) -> str:
    digest = hashlib.sha256(repr(asdict(recipe)).encode())
    parts: list[npt.NDArray[Any]] = [behaviour.shopper, behaviour.product, *(start or {}).values()]
    for part in parts:
        digest.update(part.tobytes())
    return digest.hexdigest()


def batches(histories: Sequence[Ints], recipe: SequenceRecipe, number: int) -> Iterator[torch.Tensor]:
    """Batches of like length, so that little is padding, in an order of their own each epoch."""
    rng = random.Random(recipe.seed * 1_000 + number)
    order = sorted(range(len(histories)), key=lambda at: (len(histories[at]), rng.random()))
    batches = [order[at : at + recipe.batch] for at in range(0, len(order), recipe.batch)]
    rng.shuffle(batches)
    for batch in batches:
        yield pad([histories[at] for at in batch], recipe.length + 1)
