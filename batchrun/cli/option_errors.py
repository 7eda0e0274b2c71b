"""What is said of options beside an error: those that were not typed, and those that a verb does not have.

People type the AWS CLI's options, and what other programs call theirs. Belongs here: what to give in their
place, and what has set an option instead. Does not: verbs of other names (``main``), options that are nearly
right, which click finds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from click.core import ParameterSource

if TYPE_CHECKING:
    import click

_SET: Final = "--set"
_BATCH: Final = "--batch"
#: What ``run`` has in place of an option.
_OF_RUN: Final = {
    "--dry-run": "'batchrun plan' shows what run would do",
    "--resume": "the same command without it continues",
    "--continue": "the same command without it continues",
    "--yes": "run does not ask",
    "--limit": "a trial of a few rows is a manifest of these alone, with the same --batch",
}


def meant(verb: click.Command, typed: str) -> str | None:
    """Return what to give in place of an option that *verb* does not have; None if nothing is known."""
    if verb.name == "run" and typed in _OF_RUN:
        return _OF_RUN[typed]
    if typed == _BATCH and any(parameter.name == "batch" for parameter in verb.params):
        return "give the name of the batch without it"
    if not any(_SET in option.opts for option in verb.params):
        return None
    first, *others = typed.removeprefix("--").split("-")
    field = first + "".join(map(str.capitalize, others))
    return f"for all rows, give {_SET} {field}=VALUE" if field in _fields() else None


def _fields() -> frozenset[str]:
    """Return the fields of StartRun that have one value."""
    from batchrun.service_model import start_run_shape  # noqa: PLC0415 (slow, and needed for errors alone)

    members = start_run_shape().members.items()
    plain = {name for name, shape in members if shape.type_name in {"string", "integer"}}
    return frozenset(plain - {"requestId"})


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
