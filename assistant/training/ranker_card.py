"""What a trained ranker says of itself: a card and a picture of how its sequence model learned."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from assistant.drawing import picture


def describe_ranker(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write the card and the curve beside the weights."""
    draw_sequence_curve(facts["curve"], folder / "curve.png")
    (folder / "README.md").write_text(_card(folder.name, facts), "utf-8")


def draw_sequence_curve(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Loss of both stages and validation nDCG@10 over the epochs."""
    with picture(path, 7, 4, top=0.94) as (figure, left):
        for stage, color in (("masked products", "#999"), ("next product", "#c33")):
            own = [row for row in rows if row["stage"] == stage]
            left.plot([row["epoch"] for row in own], [row["loss"] for row in own], label=f"loss, {stage}", color=color)
        left.set(xlabel="epoch", ylabel="loss")
        scored = [row for row in rows if "ndcg@10" in row]
        right = left.twinx()
        right.plot([row["epoch"] for row in scored], [row["ndcg@10"] for row in scored], label="nDCG@10", color="#36c")
        right.set(ylabel="validation nDCG@10", ylim=(0, None))
        figure.legend(loc="upper center", ncols=3, fontsize=8)


def _card(name: str, facts: Mapping[str, Any]) -> str:
    recipe = {k: v for k, v in facts["recipe"].items() if k != "sequence"}
    rows = {
        "trained": facts["trained"],
        "interactions": facts["interactions"],
        "lists of candidates": facts["lists"],
        "of these, from chats": facts["feedback"],
        "shoppers left out": facts["shoppers left out"],
        "validation nDCG@10": facts["validation nDCG@10"],
        **recipe,
        **{f"sequence: {k}": v for k, v in facts["recipe"]["sequence"].items()},
    }
    return "\n".join(
        [
            f"# {name}",
            "",
            "A ranker for one shop: neighbours of products, factors, a content model, a self-attentive sequence model,",
            "and LambdaMART trees that blend them with the request. Trained by `daogou train ranker` on the shop's own",
            "history; `manifest.json` has the checksum of every file, and a file that is another one is refused.",
            "",
            "| | |",
            "|---|---|",
            *(f"| {key.replace('_', ' ')} | {value} |" for key, value in rows.items()),
            "",
            "![Loss and nDCG of the sequence model over its epochs](curve.png)",
            "",
            "Validation is on the latest quarter of the lists: requests made of a purchase's own words, answered with",
            "what was known before the visit. `daogou evaluate requests` measures on each shopper's last order, which",
            "training did not see, beside search alone and history alone.",
            "",
            "It knows what this shop sold. In another shop it is of no use, and it is not loaded there.",
            "",
        ]
    )
