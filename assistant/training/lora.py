"""The training loop: a LoRA adapter on a causal language model, on one CPU or many GPUs.

Low-rank adaptation after Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021.
The loss is on answers alone, and the output layer is multiplied at their positions only. Answers
decoded under a schema compete with the tokens of their batch and of the schema, not with the whole
vocabulary: at decoding, too, nothing else is allowed. Texts compete with the tokens of all texts.
"""

import json
import math
import random
import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from shutil import which
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from assistant.llm import LLMError
from assistant.llm.adapters import WEIGHTS, check_fit, fingerprint
from assistant.process import trim
from assistant.training.examples import TEXT_TASKS, Example

TRIM_EVERY = 20  # steps: batches of ever other shapes leave holes, 11 GB of them in an hour of steps that need 5
COMMON = 400  # most frequent answer tokens, always among the candidates of a constrained answer
Report = Callable[["Progress"], None]


@dataclass(frozen=True)
class Recipe:
    """Every hyper-parameter; printed before training and kept in the adapter."""

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0  # costs a third of the speed on a CPU and was not needed
    targets: str = "all-linear"
    learning_rate: float = 6e-4
    warmup: float = 0.03  # share of the steps
    epochs: float = 2.5
    batch_tokens: int = 2048  # padded tokens of a batch, on each device
    seed: int = 7
    validate_every: int = 500  # steps
    patience: int = 6  # validations without a better frame accuracy until training stops
    gradient_checkpointing: bool = False
    compiled: bool = False  # the layers' small operations made into few: twice as fast on a CPU
    four_bit: bool = False
    mean: bool = True  # of what training went on from and what it came to, where it went on from something


@dataclass(frozen=True)
class Encoded:
    """Token ids of a prompt with its answer; what is to be learned starts at `start`. `lone`: it is one label."""

    ids: tuple[int, ...]
    start: int
    constrained: bool
    lone: bool = False


@dataclass
class Progress:
    """Where training is. `history` holds one row for each validation."""

    step: int = 0
    steps: int = 0
    loss: float = math.nan
    best: float = -1.0
    since_best: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


def encode(tokenizer: Any, example: Example) -> Encoded:
    """Prompt and answer as serving would meet them: the prompt alone is what the model is given."""
    prompt = tokenizer(example.prompt)["input_ids"]
    answer = tokenizer(example.answer, add_special_tokens=False)["input_ids"]
    given = tokenizer(example.given, add_special_tokens=False)["input_ids"] if example.given else []
    free = example.task in TEXT_TASKS
    end = [tokenizer.eos_token_id] if free else []
    return Encoded((*prompt, *answer, *end), len(prompt) + len(given), not free, bool(given))


class AnswerScorer(torch.nn.Module):
    """A language model with an adapter that scores tokens at answer positions alone."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, ids: torch.Tensor, before: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
        """Scores (N, C) of `candidates` after each of the N marked positions.

        `ids` (B, T) are padded at the end, where causal attention lets nothing look; `before` (B, T)
        marks the positions.
        """
        plain = self.network.get_base_model()
        states = plain.base_model(input_ids=ids, use_cache=False).last_hidden_state  # (B, T, H)
        output = plain.get_output_embeddings().weight  # (V, H)
        scores: torch.Tensor = states[before] @ output[candidates].T
        return scores


class Trainer:
    """Trains an adapter and keeps the best.

    Args:
        model: directory or hub id of the base.
        recipe: the hyper-parameters.
        folder: where checkpoints and TensorBoard logs go; a checkpoint found there is resumed.
        start: folder of an adapter of the same base and shape to go on from.
    """

    def __init__(self, model: str | Path, recipe: Recipe, folder: Path, start: Path | None = None) -> None:
        from accelerate import Accelerator
        from peft import LoraConfig, get_peft_model

        self._recipe, self._folder = recipe, folder
        torch.manual_seed(recipe.seed)
        self.accelerator = Accelerator(
            mixed_precision="bf16" if _has_bf16() else "no", log_with="tensorboard", project_dir=folder
        )
        self.tokenizer = _tokenizer(model)
        config: Any = LoraConfig(
            r=recipe.rank,
            lora_alpha=recipe.alpha,
            lora_dropout=recipe.dropout,
            target_modules=recipe.targets if recipe.targets == "all-linear" else recipe.targets.split(","),
            task_type="CAUSAL_LM",
        )
        base = _base(model, recipe)
        self.fingerprint = fingerprint(base)
        network = get_peft_model(base, config)
        if start is not None:
            _start_from(start, base, network, str(model))
        if recipe.gradient_checkpointing:
            network.enable_input_require_grads()
            network.gradient_checkpointing_enable()
        if recipe.compiled:
            _compile_layers(base)
        trained = [p for p in network.parameters() if p.requires_grad]
        self._optimizer = torch.optim.AdamW(trained, lr=recipe.learning_rate, weight_decay=0.0)
        self.network, self._optimizer = self.accelerator.prepare(AnswerScorer(network), self._optimizer)
        self._common = self._written = torch.empty(0, dtype=torch.long)

    def _adapted(self) -> Any:
        """The network with the adapter, whatever accelerate wrapped around it."""
        return self.accelerator.unwrap_model(self.network).network

    def train(self, examples: Sequence[Example], held_out: Sequence[Example], report: Report) -> Progress:
        """Train on `examples`; validate on `held_out`. Returns the history, with the best adapter saved.

        Raises `LLMError` when memory runs out, with what to lower.
        """
        recipe, accelerator = self._recipe, self.accelerator
        encoded = [encode(self.tokenizer, e) for e in examples]
        test = [encode(self.tokenizer, e) for e in held_out]
        self._common = _answer_tokens(encoded, True, COMMON)
        self._written = _answer_tokens(encoded, False, None)
        batches = list(self._batches(encoded))
        progress = Progress(steps=len(batches))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer, lambda step: _cosine(step, progress.steps, recipe)
        )
        self._resume(progress, schedule)
        accelerator.init_trackers("tensorboard")
        self.network.train()
        try:
            for batch in batches[progress.step :]:
                started = time.monotonic()
                loss = cross_entropy(*self._scores(batch))
                accelerator.backward(loss)
                accelerator.clip_grad_norm_(self.network.parameters(), 1.0)
                self._optimizer.step()
                schedule.step()
                self._optimizer.zero_grad()
                progress.step += 1
                value = loss.item()
                progress.loss = value if math.isnan(progress.loss) else 0.98 * progress.loss + 0.02 * value
                progress.seconds += time.monotonic() - started
                accelerator.log({"train/loss": value, "train/rate": schedule.get_last_lr()[0]}, progress.step)
                if progress.step % recipe.validate_every == 0 or progress.step == progress.steps:
                    self._validate(test, progress)
                    self._checkpoint(progress, schedule)
                if progress.step % TRIM_EVERY == 0:
                    trim()
                report(progress)
                if progress.since_best >= recipe.patience:
                    break
        except RuntimeError as error:
            if "out of memory" in str(error) or "can't allocate memory" in str(error):
                raise LLMError(
                    f"out of memory: lower --batch-tokens (now {recipe.batch_tokens}) or --rank (now {recipe.rank}), "
                    "or turn --gradient-checkpointing on"
                ) from error
            raise
        accelerator.end_training()
        return progress

    def _batches(self, encoded: Sequence[Encoded]) -> Iterator[list[Encoded]]:
        """Batches of like length in a shuffled order, the same on every run; each process gets its share."""
        rng = random.Random(self._recipe.seed)
        passes = math.ceil(self._recipe.epochs)
        whole: list[list[Encoded]] = []
        for _ in range(passes):
            shuffled = rng.sample(list(encoded), len(encoded))
            whole += _by_length(shuffled, self._recipe.batch_tokens, rng)
        wanted = round(len(whole) * self._recipe.epochs / passes)
        share = self.accelerator.num_processes
        yield from whole[: wanted // share * share][self.accelerator.process_index :: share]

    def _scores(self, batch: Sequence[Encoded]) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores (N, C) of the candidates at the N answer positions of a batch, and the right ones (N)."""
        device = self.accelerator.device
        length = max(len(e.ids) for e in batch)
        ids = torch.zeros(len(batch), length, dtype=torch.long)  # (B, T)
        answers = torch.zeros(len(batch), length, dtype=torch.bool)
        for row, example in enumerate(batch):
            ids[row, : len(example.ids)] = torch.tensor(example.ids)
            answers[row, example.start : len(example.ids)] = True
        wanted = ids[answers]  # (N,)
        before = torch.roll(answers, -1, dims=1)  # the state before a token predicts it
        always = self._common if batch[0].constrained else self._written
        candidates = torch.unique(torch.cat([ids.flatten(), always]))  # (C,) sorted
        with self.accelerator.autocast():
            scores = self.network(ids.to(device), before.to(device), candidates.to(device))
        return scores.float(), torch.searchsorted(candidates, wanted).to(device)

    @torch.no_grad()
    def _validate(self, held_out: Sequence[Encoded], progress: Progress) -> None:
        """Loss and frame accuracy: the share of answers in which greedy decoding gets every token right."""
        self.network.eval()
        right = count = 0
        losses = []
        for batch in _by_length(list(held_out), 4 * self._recipe.batch_tokens, random.Random(0)):
            scores, answers = self._scores(batch)
            losses.append(float(cross_entropy(scores, answers)) * len(batch))
            hits = (scores.argmax(dim=1) == answers).cpu()
            at = 0
            for example in batch:
                size = len(example.ids) - example.start
                right += bool(hits[at : at + size].all())
                at += size
            count += len(batch)
        self.network.train()
        row = {
            "step": progress.step,
            "train_loss": progress.loss,
            "loss": sum(losses) / count,
            "accuracy": right / count,
        }
        progress.history.append(row)
        self.accelerator.log(
            {"validation/loss": row["loss"], "validation/frame_accuracy": row["accuracy"]}, progress.step
        )
        better = row["accuracy"] > progress.best
        progress.best = max(progress.best, row["accuracy"])
        progress.since_best = 0 if better else progress.since_best + 1
        if better and self.accelerator.is_main_process:
            self._adapted().save_pretrained(self._folder / "best")

    def _checkpoint(self, progress: Progress, schedule: Any) -> None:
        if not self.accelerator.is_main_process:
            return
        from peft import get_peft_model_state_dict

        state = {
            "adapter": get_peft_model_state_dict(self._adapted()),
            "optimizer": self._optimizer.state_dict(),
            "schedule": schedule.state_dict(),
            "random": torch.get_rng_state(),
            "progress": asdict(progress),
            "recipe": asdict(self._recipe),
        }
        part = self._folder / "checkpoint.part"
        torch.save(state, part)
        part.replace(self._folder / "checkpoint.pt")

    def _resume(self, progress: Progress, schedule: Any) -> None:
        """Go on where a checkpoint left off. Raises `LLMError` for one of another recipe."""
        from peft import set_peft_model_state_dict

        path = self._folder / "checkpoint.pt"
        if not path.exists():
            return
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["recipe"] != asdict(self._recipe):
            raise LLMError(f"{path} was written by another recipe ({json.dumps(state['recipe'])}); take another --out")
        set_peft_model_state_dict(self._adapted(), state["adapter"])
        self._optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"])
        for name, value in state["progress"].items():
            setattr(progress, name, value)


def _start_from(start: Path, base: Any, network: Any, name: str) -> None:
    """Give `network` the weights of the adapter in `start`. Raises `LLMError` if they do not fit."""
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    check_fit(start, base, name)
    try:
        set_peft_model_state_dict(network, load_file(start / WEIGHTS))
    except (OSError, RuntimeError) as error:
        raise LLMError(f"cannot go on from adapter {start}: {error}") from error


@lru_cache(maxsize=1)
def _tokenizer(model: str | Path) -> Any:
    """It takes as long to read as a small base: who trains one adapter after another reads it once."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(model)


def _base(model: str | Path, recipe: Recipe) -> Any:
    from transformers import AutoModelForCausalLM

    causal: Any = AutoModelForCausalLM
    # On a CPU torch's fused attention takes longer backward than its parts do: a fifth of a compiled step.
    attention = "sdpa" if torch.cuda.is_available() else "eager"
    options: dict[str, Any] = {"dtype": torch.float32, "attn_implementation": attention}
    if recipe.four_bit:
        import transformers

        four_bit: Any = transformers.BitsAndBytesConfig
        options |= {"quantization_config": four_bit(load_in_4bit=True, bnb_4bit_quant_type="nf4")}
    try:
        return causal.from_pretrained(model, **options)
    except (OSError, ValueError) as error:
        raise LLMError(f"cannot load the base model {str(model)!r}: {error}") from error
    except ImportError as error:
        raise LLMError(f"4-bit training needs pip install 'daogou[qlora]': {error}") from error


def _compile_layers(base: Any) -> None:
    """Compile each layer for any shape, in its place: no weight's name changes. Raises `LLMError`."""
    if not can_compile():
        raise LLMError(
            "compiling the layers needs a C++ compiler and Python's headers: install g++ and python3-dev, "
            "or leave --compiled out"
        )
    for module in base.modules():
        if type(module).__name__ in base._no_split_modules:
            module.compile(dynamic=True)


def can_compile() -> bool:
    """Whether there is what torch compiles with."""
    headers = Path(sysconfig.get_path("include"), "Python.h").exists()
    return headers and any(which(name) for name in ("g++", "clang++"))


def _has_bf16() -> bool:
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported())


def _answer_tokens(encoded: Sequence[Encoded], constrained: bool, most: int | None) -> torch.Tensor:
    """The most frequent tokens of the answers of one kind."""
    counts = Counter(i for e in encoded if e.constrained == constrained for i in e.ids[e.start :])
    return torch.tensor([i for i, _ in counts.most_common(most)], dtype=torch.long)


def _by_length(encoded: Sequence[Encoded], tokens: int, rng: random.Random) -> list[list[Encoded]]:
    """Batches of at most `tokens` padded tokens, of one kind and like length, in random order.

    Lone labels are a kind of their own: beside frames of thirty tokens, one token would teach next to nothing.
    """
    batches: list[list[Encoded]] = []
    for kind in ((True, False), (True, True), (False, False)):
        group = sorted((e for e in encoded if (e.constrained, e.lone) == kind), key=lambda e: len(e.ids))
        batch: list[Encoded] = []
        for example in group:
            if batch and len(example.ids) * (len(batch) + 1) > tokens:
                batches.append(batch)
                batch = []
            batch.append(example)
        if batch:
            batches.append(batch)
    rng.shuffle(batches)
    return batches


def _cosine(step: int, steps: int, recipe: Recipe) -> float:
    warm = max(1, round(steps * recipe.warmup))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))
