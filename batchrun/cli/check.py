"""``batchrun check``: find every error of a manifest without submitting."""

from __future__ import annotations

from typing import Any

import click

from batchrun.cli.options import MANIFEST, OUTPUT
from batchrun.cli.printable import printable
from batchrun.cli.speak import emit, say


@click.command()
@MANIFEST
@OUTPUT
def check(**options: Any) -> None:
    """
    Find every error of MANIFEST; call nothing, write nothing.

    Each row is checked as StartRun would see it: fields, types, lengths, patterns, sizes, placeholders,
    duplicate ids. Exits with 2 where something is wrong, naming the place, the value and the cure.
    """
    from batchrun.cli.manifests import loaded, source  # noqa: PLC0415 (loads botocore)

    with loaded(source(options), as_json=options["as_json"]) as manifest:
        if options["as_json"]:
            emit("check", batch=manifest.batch, rows=manifest.count, problems=0)
        else:
            rows = "1 row" if manifest.count == 1 else f"{manifest.count} rows"
            say(f"{printable(manifest.batch)}: {rows}, no problems found")
