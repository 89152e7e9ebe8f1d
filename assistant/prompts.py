"""Prompts are files in `prompts/`; a variable that is missing, or one too many, is an error."""

from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

import yaml


class PromptError(Exception):
    """A prompt does not exist or does not get the variables that it names."""


def render(name: str, **variables: str) -> str:
    """The prompt `prompts/<name>.txt` with its `$variables` filled in."""
    template = _template(name)
    expected = set(template.get_identifiers())
    if expected != set(variables):
        raise PromptError(f"prompt {name!r} takes {sorted(expected)}, was given {sorted(variables)}")
    return template.substitute(variables)


@cache
def load_data(name: str) -> Any:
    """The data file `prompts/<name>.yaml`."""
    return yaml.safe_load(_read(f"{name}.yaml"))


@cache
def _template(name: str) -> Template:
    return Template(_read(f"{name}.txt"))


def _read(filename: str) -> str:
    try:
        return files("prompts").joinpath(filename).read_text("utf-8")
    except FileNotFoundError:
        raise PromptError(f"there is no prompt file prompts/{filename}") from None
