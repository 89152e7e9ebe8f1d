"""Rounds of `assistant.training.federated` carried by Flower: the application that its servers and clients run.

Needs `daogou[federated]`, in an environment of its own: Flower wants an older protobuf than others here.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import DifferentialPrivacyServerSideFixedClipping, FedAvg, Strategy

from assistant.training.federated import ContentLearner, Weights, epsilon

OUT = "federated.npz"
client_app = ClientApp()
server_app = ServerApp()


@client_app.train()  # type: ignore[untyped-decorator]
def train(message: Message, context: Context) -> Message:
    """A round in one shop: `data-dir` of the node's configuration is where its database lies."""
    learner = open_shop(Path(str(context.node_config["data-dir"])))
    number = int(message.content["config"]["server-round"])
    weights, examples = learner.learn(weights_of(message.content["arrays"]), number)
    told = {"arrays": record_of(weights), "metrics": MetricRecord({"num-examples": examples})}
    return Message(content=RecordDict(told), reply_to=message)


@server_app.main()  # type: ignore[untyped-decorator]
def serve(grid: Grid, context: Context) -> None:
    """All rounds; what was learned is written to `out`, with the privacy that was spent where noise was added."""
    config = context.run_config
    members, rounds = int(config["members"]), int(config["rounds"])
    noise, clip = float(config["noise"]), float(config["clip"])
    while len(list(grid.get_node_ids())) < members:
        time.sleep(0.5)
    first = ContentLearner.begin(int(config["width"]))
    result = strategy(members, noise, clip).start(grid, record_of(first), num_rounds=rounds)
    learned = weights_of(result.arrays) if result.arrays else first
    np.savez(Path(str(config["out"])) / OUT, **dict(learned))  # type: ignore[arg-type]
    if noise:
        delta = 1 / members**1.5
        print(f"privacy spent: epsilon {epsilon(noise, rounds, delta):.2f} at delta {delta:.2g} for each member")


def strategy(members: int, noise: float, clip: float) -> Strategy:
    """The mean of what members send; with `noise`, of what is clipped to `clip`, and noised by so many times that."""
    mean = FedAvg(fraction_evaluate=0.0, min_train_nodes=members, min_available_nodes=members)
    return DifferentialPrivacyServerSideFixedClipping(mean, noise, clip, members) if noise else mean


def open_shop(data_dir: Path) -> ContentLearner:
    """What a shop learns from: its history without robots and false accounts, and the vectors of its products."""
    from assistant.build import open_store
    from assistant.settings import Settings
    from assistant.training.ranker import load_data

    settings = Settings(data_dir=data_dir)
    data = load_data(open_store(settings), settings.embedding_model)
    return ContentLearner.of(data.history, list(data.products), data.vectors)


def record_of(weights: Weights) -> ArrayRecord:
    """Weights as Flower sends them."""
    from flwr.app import Array

    return ArrayRecord({name: Array(np.asarray(value)) for name, value in weights.items()})


def weights_of(record: Any) -> Weights:
    """Weights as they came."""
    return {name: array.numpy() for name, array in record.items()}
