"""
What a file of settings may not say that merely lies in the working directory.

A folder that one only got from somebody must neither run anything, nor send calls and credentials anywhere,
nor take what the environment has, nor write outside itself. Belongs here: which options that concerns. Does
not: whether the file itself is to be trusted (``file``), and finding an option's value in it (``names``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from batchrun.cli.values import OutputPath
from batchrun.model.places import is_in_s3

if TYPE_CHECKING:
    import click

#: Parts of the names of options that say where calls go; profile and region choose among the user's own.
_ADDRESSES: Final = frozenset({"endpoint", "url", "queue"})


def is_hook(key: str) -> bool:
    """Report whether the option makes batchrun run a command or call somebody (--on-EVENT, --notify-...)."""
    return key.startswith(("on-", "notify-"))


def is_address(key: str) -> bool:
    """Report whether the option says where calls go."""
    return not _ADDRESSES.isdisjoint(key.split("-"))


def is_of_environment(key: str) -> bool:
    """Report whether the option hands on what stands in the environment."""
    return key == "env"


def refusal(key: str, option: click.Option, value: Any) -> str | None:
    """Say why a file that was merely found may not set the option to *value*; None where it may."""
    if is_hook(key):
        why = "runs a command or calls somebody"
    elif is_address(key):
        why = "says where calls go"
    elif is_of_environment(key):
        why = "puts variables of your environment into requests"
    elif isinstance(option.type, OutputPath) and isinstance(value, str) and not _is_inside(value):
        why = f"writes outside this folder, to {value}"
    else:
        return None
    return (
        f"'{key}' {why}, and is not taken from a file that merely lies in the working directory; name the "
        "file with --config FILE or BATCHRUN_CONFIG if you trust it"
    )


def _is_inside(place: str) -> bool:
    """Report whether a path stays within the working directory, links on the way followed."""
    if is_in_s3(place):
        return False
    path = Path(place)
    if path.is_absolute() or ".." in path.parts:
        return False
    try:
        return path.resolve().is_relative_to(Path.cwd())
    except (OSError, ValueError, RuntimeError):
        return False
