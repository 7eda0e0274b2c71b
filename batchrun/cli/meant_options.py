"""
Options that a verb does not have and people type: those of the AWS CLI, and what other programs call theirs.

Belongs here: what to give in their place. Does not: verbs of other names (``main``), options that are nearly
right, which click finds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import click

_SET: Final = "--set"
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
