"""
The options that say how rows are submitted.

Belongs here: names, defaults and help of options. Does not: what they mean together (``api.engines``).
"""

from __future__ import annotations

from dataclasses import dataclass

import click

from batchrun.cli.command import option
from batchrun.cli.values import SettingsPlace
from batchrun.model.grouping import MOST, Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """How rows are submitted, and where the rows of large submissions are kept."""

    engine: str = option(
        "--engine",
        type=click.Choice([engine.value for engine in Engine]),
        default=Engine.STARTRUN.value,
        help="How to submit: each row by StartRun; rows alike together by StartRunBatch, which the service "
        "submits with nobody watching; or auto, by StartRunBatch where 100 rows or more are alike. See "
        "'batchrun help engines'.",
    )
    batch_settings: str | None = option(
        "--batch-settings",
        type=SettingsPlace(),
        metavar="s3://BUCKET/PREFIX/",
        help="Where StartRunBatch reads the rows of submissions of more than 100: files in S3, which the "
        "runs' role must be able to read.  [default: none, and 100 rows at most]",
    )
    batch_rows: int | None = option(
        "--batch-rows",
        type=click.IntRange(1, MOST),
        help="At most this many rows in one StartRunBatch.  [default: 10000 with --batch-settings, else 100]",
    )

    @property
    def kind(self) -> Engine:
        """The engine."""
        return Engine(self.engine)
