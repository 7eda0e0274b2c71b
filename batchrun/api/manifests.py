"""
A manifest or a sheet by its path, or by its rows, for programs.

Belongs here: that one call. Does not: reading and checking (``manifest``), options (``cli``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from batchrun.api.objects import ObjectsOnce
from batchrun.api.one_login import OneLogin
from batchrun.api.sheets import ROWS, Sheet, as_lines
from batchrun.manifest import Format, Manifest, Source, load
from batchrun.manifest.source import STDIN
from batchrun.service.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NO_SHEET: Final = Sheet()
_CONFIGURED: Final = Target()


def load_manifest(  # noqa: PLR0913 (options, each by its name)
    source: str | Path | Iterable[Mapping[str, Any]],
    *,
    batch: str | None = None,
    written_as: str | None = None,
    sheet: Sheet | None = None,
    defaults: Iterable[str | Path] = (),
    parameters_from: Iterable[str | Path] = (),
    sets: Iterable[str] = (),
    env: Iterable[str] = (),
    tags: bool = True,
    strict: bool = False,
    target: Target = _CONFIGURED,
) -> Manifest:
    """
    Read, expand and check a manifest; use it with ``with``, or close it.

        load_manifest("cohort.yaml")
        load_manifest("samplesheet.csv", sheet=Sheet(group_by="sample", each={...}))
        load_manifest([{"id": "NA12878", "parameters": {...}}], batch="cohort")

    Args:
        source: The file, ``s3://BUCKET/KEY``, or ``-`` for standard input; or rows, which are gone through
            once. With *sheet* they are a sheet's, else a manifest's, as the lines of JSON Lines are.
        batch: The batch's name, instead of the manifest's own; rows have none.
        written_as: ``yaml``, ``json``, ``jsonl``, ``csv`` or ``tsv``, where the file's name does not say.
        sheet: What a sheet's rows are to become; without it only a manifest may say so.
        defaults: YAML or JSON files, in S3 too, of StartRun fields that every row takes; later ones win.
        parameters_from: Such files of parameters that every row takes; later ones win.
        sets: Fields as text, ``workflowId=1234567``; over all of the above, under the row.
        env: Variables of the environment that ``{env.NAME}`` may stand for; never a credential's.
        strict: Whether what the manifest is warned of (``Manifest.warnings``) is an error.
        tags: Whether the runs will be tagged (``Limits.tag``), which needs room for four tags.
        target: Whose S3 to read from, where anything lies there; its endpoint is that of HealthOmics alone.

    Raises:
        ManifestError: Anything is wrong; it has every problem, up to a limit.
        ServiceUnusableError: It lies in S3, and may not be read, or S3 cannot be asked.
        ValueError: *written_as* is no format, or *sheet* has no delimiter or encoding where it says one.
    """
    is_file = isinstance(source, str | Path)
    wanted = sheet or _NO_SHEET
    wish = Source(
        path=str(source) if is_file else STDIN,
        name=None if is_file else ROWS,
        format=_format(written_as) if is_file else Format.JSONL,
        batch=batch,
        defaults=tuple(str(one) for one in defaults),
        parameters_from=tuple(str(one) for one in parameters_from),
        sets=tuple(sets),
        env=tuple(env),
        tags=tags,
        strict=strict,
        asked=wanted.asked,
        sheet=wanted.options,
    )
    with ObjectsOnce(OneLogin(target)) as objects:
        if isinstance(source, str | Path):
            return load(wish, objects=objects)
        with as_lines(source) as lines:
            return load(wish, stdin=lines, objects=objects)


def _format(written_as: str | None) -> Format | None:
    return Format(written_as) if written_as else None
