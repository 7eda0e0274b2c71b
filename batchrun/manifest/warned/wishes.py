"""
What is wanted of a sheet's rows, looked at once for all of them.

Belongs here: that, and that ``--parameter NAME=TEXT`` gives text, whatever it looks like.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING

from batchrun.manifest.problems import printable
from batchrun.manifest.sheets.options import JSON

if TYPE_CHECKING:
    from batchrun.manifest.sheets.wanted import Wanted
    from batchrun.manifest.warned.looking import Looking


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
    typed = text.lower() if type_ == "bool" else text
    as_text = json.dumps(text, ensure_ascii=False)
    return printable(
        f"write --parameter '{name}:json={typed}'{also}, or '{name}:json={as_text}' where text is meant", None
    )
