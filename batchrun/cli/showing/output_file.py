"""Output files named by users, on this machine, or stdout instead.

Does not belong here: what may also go to S3 (``report.delivering``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batchrun.cli.speak import STDOUT, poured
from batchrun.errors import UsageError
from batchrun.report import drafts
from batchrun.report.outputs import Kind, OutputFile, ProtectedFiles


def file_or_stdout(
    output: str, kind: Kind, *, option: str = "-o FILE", protected: ProtectedFiles, force: bool = False
) -> OutputFile | None:
    """Return the output file; None for stdout. Raises UsageError if it may not be written."""
    if output == STDOUT:
        return None
    made = OutputFile(path=Path(output), kind=kind, option=option, protected=protected, force=force)
    made.check()
    return made


@contextmanager
def drafted(output: OutputFile | None) -> Iterator[Path]:
    """Yield a draft that becomes *output*, or goes to stdout without one, if the block succeeds."""
    try:
        with drafts.copied(poured(_unwritable)) if output is None else drafts.drafted(output) as draft:
            yield draft
    except OSError as error:
        raise _unwritable("stdout" if output is None else output.path, error) from error


def _unwritable(place: object, error: OSError) -> UsageError:
    return UsageError(f"{place} cannot be written: {error.strerror or error}; give another place")
