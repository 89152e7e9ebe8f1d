"""The tree is the architecture: who may import whom."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Layers from the bottom up; a module may import from its own layer's package only as `WITHIN` allows.
LAYERS = ("catalog", "assistant", "web")
ASSISTANT = (
    {"types", "process"},
    {"settings", "prompts", "phrases", "frame", "masking", "aspects", "cart", "sizing"},
    {"state", "llm", "custody", "changes", "payload", "offers"},
    {
        "parser",
        "reviews",
        "attributes",
        "schema",
        "speech",
        "brief",
        "store",
        "profile",
        "handoff",
        "staff",
        "privacy",
        "webhooks",
    },
    {"ranking", "memory", "service", "fitting"},
    {"explain", "question"},
    {"finding", "basket"},
    {"answers", "desk", "marketing"},
    {"turn", "picture", "labels"},
    {"build"},
    {"training"},
    {"evaluation", "doctor", "console"},
    {"cli_models"},
    {"cli_evaluate"},
    {"cli_ranking", "cli_people", "cli_catalog", "cli_bench"},
    {"cli_marketing"},
    {"cli"},
)
HEAVY = {"torch", "transformers", "gradio", "sentence_transformers", "numpy", "sqlalchemy", "pydantic"}


def imports(path: Path, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    nodes = tree.body if top_level_only else ast.walk(tree)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules(package: str) -> list[Path]:
    return [p for p in sorted((ROOT / package).rglob("*.py")) if "migrations" not in p.parts]


@pytest.mark.parametrize("package", LAYERS)
def test_packages_import_downwards(package: str) -> None:
    forbidden = set(LAYERS[LAYERS.index(package) + 1 :])
    for path in modules(package):
        # `serve` and `bench crash` are commands: they are allowed to reach up for the web, at the moment that they are run.
        found = imports(path, top_level_only=path.name in ("cli.py", "cli_bench.py"))
        above = {name for name in found if name.split(".")[0] in forbidden}
        assert not above, f"{path.relative_to(ROOT)} imports {above}"


def test_assistant_imports_downwards() -> None:
    level = {name: n for n, names in enumerate(ASSISTANT) for name in names}
    for path in modules("assistant"):
        own = path.relative_to(ROOT / "assistant").parts[0].removesuffix(".py")
        if own == "__init__":
            continue
        for name in imports(path):
            parts = name.split(".")
            if parts[0] == "assistant" and len(parts) > 1 and parts[1] in level and parts[1] != own:
                assert level[parts[1]] < level[own], f"{path.relative_to(ROOT)} imports {name}"


def test_the_command_line_starts_light() -> None:
    heavy = {
        name for name in imports(ROOT / "assistant" / "cli.py", top_level_only=True) if name.split(".")[0] in HEAVY
    }
    assert not heavy


def test_data_folders_hold_no_python() -> None:
    assert not [*(ROOT / "adapters").rglob("*.py"), *(ROOT / "prompts").rglob("*.py")]
