"""Tables of words and cases that stand in YAML files beside the code."""

from functools import cache
from importlib.resources import files
from typing import Any

import yaml


@cache
def load_table(name: str, package: str) -> Any:
    """The content of the file `name` in a package, read once."""
    return yaml.safe_load(files(package).joinpath(name).read_text("utf-8"))
