"""
What marks a file as one that batchrun wrote, so that it may be replaced: results, a report, metrics.

A manifest's file looks like results in much, and must never be taken for them.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from batchrun.report.columns import COLUMNS, TASK_REASON, is_own
from batchrun.report.outputs import Kind
from batchrun.report.results import ResultsFormat

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

#: Bytes that are looked at: the first object of JSON results has its earlier attempts within.
_BEGINNING: Final = 1024 * 1024
_PARQUET: Final = b"PAR1"
#: What is in results alone; of the other columns, a manifest or a sheet may have each too.
_TELLING: Final = frozenset((*COLUMNS, TASK_REASON)) - {
    *("id", "runId", "name", "workflowId", "lane", "accountId", "region")
}


def _is_csv(path: Path) -> bool:
    header = _text(path).split("\n", 1)[0].rstrip("\r")
    # Whoever looks at results in a spreadsheet may save them with its own separators.
    return _are_columns([name.strip('"') for name in re.split(r"[,;\t]", header)])


def _is_json(path: Path) -> bool:
    text = _text(path).lstrip()
    return text.rstrip() == "[]" or (text[:1] == "[" and _is_object(text[1:].lstrip()))


def _is_jsonl(path: Path) -> bool:
    return _is_object(_text(path))


def _is_object(text: str) -> bool:
    try:
        found, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and _are_columns(found)


def _are_columns(names: Collection[Any]) -> bool:
    """Report whether these are columns of results, and not of a manifest."""
    return not _TELLING.isdisjoint(names) and all(
        name in COLUMNS or name == "attempts" or is_own(name) for name in names
    )


def _is_parquet(path: Path) -> bool:
    if not _raw(path).startswith(_PARQUET):
        return False
    from pyarrow import ArrowInvalid, parquet  # noqa: PLC0415 (few have it, and write this)

    try:
        return _are_columns(parquet.read_schema(path).names)
    except ArrowInvalid:
        return False


def _is_report(path: Path) -> bool:
    return '<meta name="generator" content="batchrun ' in _text(path)[:8192]


def _is_metrics(path: Path) -> bool:
    return _text(path).startswith("# HELP batchrun_")


def _text(path: Path) -> str:
    return _raw(path).decode(errors="replace").removeprefix("\ufeff")


def _raw(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_BEGINNING)


#: By what ``--format`` calls it.
RESULTS: Final[Mapping[str, Kind]] = {
    ResultsFormat.CSV.value: Kind(what="results in CSV", endings=(".csv",), is_one=_is_csv),
    ResultsFormat.JSON.value: Kind(what="results in JSON", endings=(".json",), is_one=_is_json),
    ResultsFormat.JSONL.value: Kind(what="results in JSON Lines", endings=(".jsonl",), is_one=_is_jsonl),
    "parquet": Kind(what="results in Parquet", endings=(".parquet",), is_one=_is_parquet),
}
REPORT: Final = Kind(what="a report", endings=(".html", ".htm"), is_one=_is_report)
METRICS: Final = Kind(what="metrics", endings=(".prom", ".txt"), is_one=_is_metrics)
