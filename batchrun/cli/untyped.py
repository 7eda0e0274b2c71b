"""Says of the options that an error is about which of them were not typed, and what has set them instead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from click.core import ParameterSource

if TYPE_CHECKING:
    import click


def untyped(context: click.Context, error: str) -> Iterator[str]:
    """Yield a line for each option that was not typed, and whose name or value is in the text *error*."""
    for option in context.command.params:
        match context.get_parameter_source(option.name or ""):
            case ParameterSource.ENVIRONMENT:
                place = f"the variable {option.envvar}"
            case ParameterSource.DEFAULT_MAP:
                place = "the settings file"
            case _:
                continue
        name = next(name for name in option.opts if name.startswith("--"))
        value = context.params[str(option.name)]
        texts = [one for one in (value if isinstance(value, tuple) else (value,)) if isinstance(one, str)]
        if any(_is_in(error, text) for text in (name, *texts)):
            yield f"{name} was not typed: {place} sets it; see 'batchrun config {_verb(context)}'"


def _is_in(error: str, text: str) -> bool:
    """Report whether *text* stands in *error* as a word of its own."""
    return bool(text) and re.search(rf"(?<![\w-]){re.escape(text)}(?![\w-])", error) is not None


def _verb(context: click.Context) -> str:
    return context.command_path.partition(" ")[2]
