"""
YAML and JSON documents that are no manifests, as one problem: requests, defaults, parameters.

Belongs here: what a document looks like by its names, and what takes it. Does not: reading it
(``manifest.document``).
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

from batchrun.manifest.problems import nearest
from batchrun.manifest.source import STDIN, Format

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from batchrun.manifest.model_check import RequestModel

#: What is of one run, and hardly ever of all.
_OF_ONE_RUN: Final = frozenset({"name", "parameters", "requestId"})
_ONE_ROW: Final = """echo '{"id": "1"}' | batchrun check - --format jsonl --batch"""
_GUESSES: Final = 20


def words(
    path: str, form: Format, names: Sequence[str], keys: Collection[str], model: RequestModel
) -> tuple[str, str] | None:
    """
    Say what a document without any of a manifest's keys is, and the cure; None where its names do not tell.

    Args:
        path: Where it is, or ``-``.
        form: How it is written.
        names: Its names at the top.
        keys: What a manifest has there.
        model: What StartRun takes.
    """
    is_known = {name for name in names if name in model.fields or name == "requestId"}
    if (
        path == STDIN
        or not names
        or any(nearest(name, keys) for name in names[:_GUESSES] if name not in is_known)
    ):
        return None
    file, batch = shlex.quote(path), shlex.quote(Path(path).stem)
    if not is_known:
        return _parameters(file, batch, form) if len(names) > 1 or "." in names[0] else None
    if len(is_known) < len(names):
        return None
    if "requestId" in is_known:
        return "this is no manifest but a StartRun request", f"{_without_id(file)}; {_as_defaults(file)}"
    if _OF_ONE_RUN.isdisjoint(is_known):
        return "this is no manifest but a file of defaults: fields of StartRun, and no runs", _as_defaults(
            file
        )
    one = f"for one run of it, run: {_ONE_ROW} {batch} --defaults {file}"
    return "this is no manifest but a StartRun request", f"{_as_defaults(file)}; {one}"


def _as_defaults(file: str) -> str:
    return (
        f"give the file that has the runs, and this one beside it: batchrun check MANIFEST --defaults {file}"
    )


def _without_id(file: str) -> str:
    return f"remove requestId from {file}, batchrun makes it itself"


def _parameters(file: str, batch: str, form: Format) -> tuple[str, str]:
    message = "this is no manifest but has parameters of a workflow, such as a WDL inputs JSON"
    beside = "put them under parameters: in a file of defaults"
    if form is not Format.JSON:
        return message, f"{beside}, and give that with --defaults beside the file that has the runs"
    taken = f'--set "parameters:json=$(cat {file})"'
    return message, f"add to the command for your rows: {taken}; for one run, run: {_ONE_ROW} {batch} {taken}"
