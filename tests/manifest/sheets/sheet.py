"""How these tests make runs of a sheet: a YAML manifest beside it, or options alone."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from batchrun.errors import ManifestError, Problem
from batchrun.manifest import Format, Source, load
from batchrun.manifest.sheet_wishes import SheetOptions
from batchrun.manifest.table import TableOptions

SETS = (
    "workflowId=1234567",
    "roleArn=arn:aws:iam::123456789012:role/omics",
    "outputUri=s3://lab-results/{batch}/{id}/",
)

Runs = dict[str, dict[str, Any]]


def from_options(
    text: str,
    form: Format = Format.CSV,
    asked: TableOptions | None = None,
    sets: tuple[str, ...] = (),
    **options: Any,
) -> Runs:
    """Return each run's request, of a sheet and options, by its id, in their order."""
    source = Source(
        path="-",
        format=form,
        batch="b",
        sets=(*SETS, *sets),
        asked=asked or TableOptions(),
        sheet=SheetOptions(**options),
    )
    with load(source, stdin=io.BytesIO(text.encode())) as manifest:
        return {spec.id: json.loads(spec.request) for spec in manifest.specs()}


def from_document(
    folder: Path, sheet: str, document: Mapping[str, Any], name: str = "sheet.csv", form: str = "json"
) -> Runs:
    """Return each run's request, of a sheet and a JSON document that names it."""
    (folder / name).write_text(sheet, encoding="utf-8")
    path = folder / f"b.{form}"
    path.write_text(json.dumps({"sheet": name, **document}), encoding="utf-8")
    with load(Source(path=str(path), sets=SETS)) as manifest:
        return {spec.id: json.loads(spec.request) for spec in manifest.specs()}


def problems_of_options(text: str, form: Format = Format.CSV, **options: Any) -> list[Problem]:
    with pytest.raises(ManifestError) as caught:
        from_options(text, form, **options)
    return _sound(caught.value)


def problems_of_document(folder: Path, sheet: str, document: Mapping[str, Any]) -> list[Problem]:
    with pytest.raises(ManifestError) as caught:
        from_document(folder, sheet, document)
    return _sound(caught.value)


def _sound(error: ManifestError) -> list[Problem]:
    for problem in error.problems:
        assert problem.message
        assert problem.cure
        assert str(problem).isprintable()
    return list(error.problems)


def parameters(runs: Runs) -> dict[str, Any]:
    return {entry_id: request.get("parameters") for entry_id, request in runs.items()}
