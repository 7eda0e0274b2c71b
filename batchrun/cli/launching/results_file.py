"""
The file with a batch's results, as launches and cancellations leave it.

Belongs here: where it goes, and writing it even when everything is to end. Does not: what is in it
(``report``), ``batchrun results``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

from batchrun.errors import InputError, ResultsError, UsageError
from batchrun.report import results
from batchrun.report.kinds import RESULTS
from batchrun.report.outputs import OutputFile

if TYPE_CHECKING:
    from batchrun.api.launch import Launch
    from batchrun.report.outputs import Inputs

#: Seconds that the last thing, the results, may take when the launch was told to end.
_LAST_THINGS: Final = 60.0


def results_output(asked: str | None, batch: str, inputs: Inputs) -> OutputFile:
    """Say where the results go. Raises UsageError where they may not."""
    path = Path(asked or f"{batch}.results.csv")
    kind = RESULTS[_format(path).value]
    output = OutputFile(path=path, kind=kind, option="--results FILE", inputs=inputs)
    output.check()
    return output


async def write_results(held: Launch, output: OutputFile, *, is_safe: bool = False) -> None:
    """
    Leave the results, even if the launch was told to end.

    Raises:
        ResultsError: They cannot be written, or what stands in their place by now may not be replaced.
    """
    with anyio.move_on_after(_LAST_THINGS, shield=True):
        outcomes = held.ledger.outcomes(held.batch)
        try:
            await results.write(output, outcomes, _format(output.path), is_safe=is_safe)
        except InputError as error:
            raise ResultsError(output.path, error) from error


def _format(path: Path) -> results.Format:
    try:
        return results.Format(path.suffix.removeprefix(".").lower())
    except ValueError:
        raise UsageError(f"--results {path}: the name must end in .csv, .json or .jsonl") from None
