"""
What was seen of a manifest's inputs, in words, as JSON, and as a bar while it is looked for.

Belongs here: how it is told. Does not: looking (``api.input_check``).
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from batchrun.cli.speak import is_terminal
from batchrun.ports.inputs import Sight, Skip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batchrun.api.input_check import Inputs

_FRAMES_PER_SECOND: Final = 4
_SIGHTS: Final = {
    Sight.THERE: "there",
    Sight.MISSING: "not there",
    Sight.EMPTY: "with nothing under them",
    Sight.UNMATCHED: "that match nothing",
    Sight.NO_BUCKET: "in no bucket that exists",
    Sight.ARCHIVED: "archived",
    Sight.RESTORING: "being restored",
    Sight.DENIED: "there, but not readable",
    Sight.HIDDEN: "not accessible",
    Sight.TOO_MANY: "with too many objects to tell",
}
_SKIPS: Final = {
    Skip.OTHER_SCHEME: "not in S3",
    Skip.OMICS: "in HealthOmics storage",
    Skip.ARN: "an ARN",
    Skip.WORKFLOW_PATH: "a path within the run",
    Skip.LOCAL_PATH: "a local path",
    Skip.MISSPELT: "a malformed s3:// URI",
    Skip.PLACEHOLDER: "with a placeholder that the workflow fills in",
    Skip.WITHIN_TEXT: "within a longer text",
    Skip.OUTPUT: "named like an output",
    Skip.OWN_SHEET: "a sheet that batchrun itself writes",
}


def facts(inputs: Inputs) -> dict[str, Any]:
    """Return what was seen by the names that --json has for it."""
    return {
        "places": inputs.total,
        "looked_at": inputs.looked_at,
        "seen": {sight.value: inputs.seen[sight] for sight in Sight},
        "passed_over": {skip.value: inputs.skipped.get(skip, 0) for skip in Skip},
        "examples": {skip.value: text for skip, text in inputs.examples.items()},
        "calls": dict(inputs.calls),
        "warnings": inputs.warnings,
        "is_whole": inputs.broken is None,
    }


def lines(inputs: Inputs) -> Iterator[str]:
    """Say it: first what was looked at, then what was passed over."""
    places = "1 place" if inputs.total == 1 else f"{inputs.total} places"
    parts = [f"{count} {_SIGHTS[sight]}" for sight in Sight if (count := inputs.seen[sight])]
    unseen = "" if inputs.looked_at == inputs.total else f", {inputs.looked_at} looked at"
    yield f"inputs: {places} in S3{unseen}{': ' if parts else ''}{', '.join(parts)}"
    if inputs.skipped:
        yield "passed over: " + "; ".join(
            f"{count} {_SKIPS[skip]}, such as {inputs.examples[skip]}"
            if count > 1
            else f"1 {_SKIPS[skip]}: {inputs.examples[skip]}"
            for skip in Skip
            if (count := inputs.skipped.get(skip, 0))
        )


@contextmanager
def drawn(*, is_shown: bool) -> Iterator[Callable[[Inputs], None]]:
    """Return what is told of each place that was seen: on a terminal it draws how far that has come."""
    if not (is_shown and is_terminal(sys.stderr)):
        yield lambda _inputs: None
        return
    from rich.console import Console  # noqa: PLC0415 (takes long to import)
    from rich.progress import (  # noqa: PLC0415 (likewise)
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("inputs"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[bad]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as bar:
        task = bar.add_task("inputs", total=None, bad="")
        frame = 0.0

        def told(inputs: Inputs) -> None:
            nonlocal frame
            if (now := bar.get_time()) - frame >= 1 / _FRAMES_PER_SECOND:
                frame = now
                bad = inputs.looked_at - inputs.seen[Sight.THERE]
                text = f"{bad} not as they should be" if bad else ""
                bar.update(task, total=inputs.total, completed=inputs.looked_at, bad=text, refresh=True)

        yield told
