"""
The live display on a terminal: counts by state, rate, time left, last failures.

Belongs here: drawing. Does not: the numbers (``progress``). Only for terminals: rich writes nothing into a
pipe until the end, which would leave a cron log empty for hours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from batchrun.cli.printable import printable
from batchrun.cli.showing.reporters import Reporter
from batchrun.cli.values import seconds
from batchrun.report.results import row

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from batchrun.cli.showing.progress import Snapshot
    from batchrun.model.entry import Entry
    from batchrun.model.events import Event

_FRAMES_PER_SECOND: Final = 4
_STYLES: Final = (
    ("planned", "dim"),
    ("submitting", "yellow"),
    ("queued", "cyan"),
    ("running", "blue"),
    ("succeeded", "green"),
    ("failed", "bold red"),
    ("cancelled", "magenta"),
    ("deleted", "magenta"),
    ("refused", "bold red"),
)


class LiveDisplay(Reporter):
    """Draws the launch on stderr, four times a second."""

    def step(self, event: Event, entry: Entry) -> None:
        """Do nothing: the next frame shows it."""

    async def run(self, snapshot: Callable[[], Snapshot]) -> None:
        """Draw until cancelled; the last frame stays."""
        with Live(
            self._frame(snapshot()), console=Console(stderr=True), auto_refresh=False, redirect_stdout=False
        ) as live:
            live.console.show_cursor()  # else a killed launch leaves a terminal without one
            try:
                while True:
                    await self._clock.sleep(1 / _FRAMES_PER_SECOND)
                    live.update(self._frame(snapshot()), refresh=True)
            finally:
                live.update(self._frame(snapshot()), refresh=True)

    def _frame(self, now: Snapshot) -> RenderableType:
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            Text(printable(self._batch), style="bold"),
            ProgressBar(total=max(now.total, 1), completed=now.ended, width=30),
            Text(f"{now.ended}/{now.total}"),
            Text(_pace(now), style="dim"),
        )
        return Group(bar, _counts(now), *(_failure(entry) for entry in self._progress.failures))


def _counts(now: Snapshot) -> Text:
    text = Text("  ")
    for name, style in _STYLES:
        number = getattr(now, name)
        if number or name in {"queued", "running", "succeeded"}:
            text.append(f"{name} {number}  ", style=style if number else "dim")
    return text


def _pace(now: Snapshot) -> str:
    parts = [seconds(now.elapsed)]
    if now.starts_per_second:
        parts.append(f"{now.starts_per_second:.1f} started/s")
    if now.throttled:
        parts.append(f"{now.throttled} throttled")
    if now.unanswered:
        parts.append(f"{now.unanswered} unanswered")
    if now.left is not None and now.ended < now.total:
        parts.append(f"about {seconds(now.left)} left")
    return ", ".join(parts)


def _failure(entry: Entry) -> Text:
    cells = row(entry)
    why = " ".join(str(cells[name]) for name in ("failureReason", "statusMessage") if cells[name])
    text = Text(f"  {cells['status']} ", style="red", no_wrap=True, overflow="ellipsis")
    text.append(printable(entry.id), style="bold")
    text.append(f" {printable(why)}".replace("\n", " "), style="default")
    return text
