"""
What is wanted of a sheet's rows, looked at once for all of them.

Belongs here: that, and that ``--parameter NAME=TEXT`` gives text, whatever it looks like.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Final

from batchrun.manifest.problems import printable
from batchrun.manifest.sheets.options import JSON

if TYPE_CHECKING:
    from batchrun.manifest.sheets.wanted import Wanted
    from batchrun.manifest.warned.looking import Looking

#: Characters of a text that a cure has.
_SHOWN: Final = 60


def look_at(wanted: Wanted, looking: Looking) -> None:
    """Look at what all runs of a sheet are given."""
    looking.shared(wanted.each)
    parameters = wanted.each.fields.get("parameters")
    for path, place in wanted.places.items():
        name = str(path[-1])
        text = parameters.get(name) if isinstance(parameters, dict) else None
        if isinstance(text, str) and "{" not in text and not place.source.endswith(JSON):
            looking.option(f"parameters.{name}", text, place, functools.partial(_cure, name, text))


def _cure(name: str, text: str, type_: str, also: str) -> str:
    known = text if len(text) <= _SHOWN else "..."
    typed = known.lower() if type_ == "bool" else known
    as_text = json.dumps(known, ensure_ascii=False)
    return printable(
        f"write --parameter '{name}:json={typed}'{also}, or '{name}:json={as_text}' where text is meant", None
    )
