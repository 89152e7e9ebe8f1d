"""Rounds of `assistant.training.federated` carried by Flower: the application that its servers and clients run.

Needs `daogou[federated]`, in an environment of its own: Flower wants an older protobuf than others here.
"""

import time
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import DifferentialPrivacyServerSideFixedClipping, FedAdam, FedAvg, Strategy

from assistant.ranking.behaviour import Behaviour
from assistant.training.federated import (
    BETAS,
    RATE,
    TAU,
    ContentLearner,
    Learner,
    SequenceLearner,
    Weights,
    epsilon,
    in_order,
)
from assistant.training.ranker import RankerRecipe, load_data
from catalog.errors import UserError

Model = Literal["content", "sequence"]
OUT = "federated.npz"
client_app = ClientApp()
server_app = ServerApp()


@client_app.train()  # type: ignore[untyped-decorator]
def train(message: Message, context: Context) -> Message:
    """A round in one shop: `data-dir` of the node's configuration is where its database lies."""
    weights, config = weights_of(message.content["arrays"]), message.content["config"]
    learner = open_shop(Path(str(context.node_config["data-dir"])), "content" if "weight" in weights else "sequence")
    check_alike(learner.first(), weights)
    learned, examples = learner.learn(weights, int(config["server-round"]))
    told = {"arrays": record_of(learned), "metrics": MetricRecord({"num-examples": examples})}
    return Message(content=RecordDict(told), reply_to=message)


@server_app.main()  # type: ignore[untyped-decorator]
def serve(grid: Grid, context: Context) -> None:
    """All rounds; what was learned is written to `out`, with the privacy that was spent where noise was added."""
    config = context.run_config
    model = model_named(str(config["model"]))
    members, rounds = int(config["members"]), int(config["rounds"])
    noise, clip = float(config["noise"]), float(config["clip"])
    while len(list(grid.get_node_ids())) < members:
        time.sleep(0.5)
    first = begin(model, int(config["products"]), int(config["width"]))
    result = strategy(model, members, noise, clip).start(grid, record_of(first), num_rounds=rounds)
    learned = weights_of(result.arrays) if result.arrays else first
    np.savez(Path(str(config["out"])) / OUT, **dict(learned))  # type: ignore[arg-type]
    if noise:
        delta = 1 / members**1.5
        print(f"privacy spent: epsilon {epsilon(noise, rounds, delta):.2f} at delta {delta:.2g} for each member")


def model_named(name: str) -> Model:
    """The model of that name. Raises `UserError`."""
    for model in get_args(Model):
        if name == model:
            return model  # type: ignore[no-any-return]
    raise UserError(f"model {name!r} is none that is learned together; there are {', '.join(get_args(Model))}")


def begin(model: Model, products: int, width: int) -> Weights:
    """What everybody begins with: of the sequence model for so many products."""
    if model == "content":
        return ContentLearner.begin(width)
    return SequenceLearner.begin(products, np.zeros((products, width), dtype=np.float32), RankerRecipe().sequence)


def strategy(model: Model, members: int, noise: float, clip: float) -> Strategy:
    """How what members send becomes the next weights; with `noise`, it is clipped to `clip` and noised by so many times that."""
    everybody = {"fraction_evaluate": 0.0, "min_train_nodes": members, "min_available_nodes": members}
    if model == "content":
        plain: Strategy = FedAvg(**everybody)
    else:
        plain = FedAdam(**everybody, eta=RATE, beta_1=BETAS[0], beta_2=BETAS[1], tau=TAU)
    return DifferentialPrivacyServerSideFixedClipping(plain, noise, clip, members) if noise else plain


def open_shop(data_dir: Path, model: Model) -> Learner:
    """What a shop learns from: its history without robots and false accounts, and the vectors of its products."""
    from assistant.build import open_store
    from assistant.settings import Settings

    settings = Settings(data_dir=data_dir)
    data = load_data(open_store(settings), settings.embedding_model)
    own = list(data.products)
    order = in_order(own)
    products, vectors = [own[at] for at in order], data.vectors[order]
    if model == "content":
        return ContentLearner.of(data.history, products, vectors)
    return SequenceLearner(Behaviour.met(data.history, products), vectors, RankerRecipe().sequence)


def check_alike(own: Weights, sent: Weights) -> None:
    """Raises `UserError` where this shop's model is of another shape than what came: another embedding model or catalog."""
    for name, value in own.items():
        if (shape := np.shape(sent.get(name, ()))) != value.shape:
            raise UserError(f"{name} is {shape} in the federation and {value.shape} here: other vectors or products")


def record_of(weights: Weights) -> ArrayRecord:
    """Weights as Flower sends them."""
    from flwr.app import Array

    return ArrayRecord({name: Array(np.asarray(value)) for name, value in weights.items()})


def weights_of(record: Any) -> Weights:
    """Weights as they came."""
    return {name: array.numpy() for name, array in record.items()}
