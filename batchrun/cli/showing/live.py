"""
The live display on a terminal: counts by state, rate, finish, last failures.

Belongs here: drawing. Does not: the numbers (``progress``). Only for terminals: rich writes nothing into a
pipe until the end, which would leave a cron log empty for hours.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from batchrun.cli.showing.bar import Bar, Flow
from batchrun.cli.showing.reporters import Reporter
from batchrun.cli.speak import is_terminal
from batchrun.cli.wording import one_line, seconds, until
from batchrun.ports.service import LaneTrouble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rich.console import RenderableType

    from batchrun.cli.showing.failed import FailedRow
    from batchrun.cli.showing.progress import Snapshot
    from batchrun.model.entries.entry import Entry
    from batchrun.model.entries.events import Event

_FRAMES_PER_SECOND: Final = 4
#: A terminal's own blue can hardly be read where its ground is dark.
_BLUE: Final = "color(32)"
_STYLES: Final = (
    ("planned", "dim"),
    ("submitting", "yellow"),
    ("queued", "cyan"),
    ("running", _BLUE),
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
        """Draw until cancelled; the last frame stays, but where a summary on the terminal says the same."""
        with Live(
            self._frame(snapshot()), console=Console(stderr=True), auto_refresh=False, redirect_stdout=False
        ) as live:
            live.console.show_cursor()  # else a killed launch leaves a terminal without one
            try:
                while True:
                    await self._clock.sleep(1 / _FRAMES_PER_SECOND)
                    live.update(self._frame(snapshot()), refresh=True)
            finally:
                live.transient = self.has_summary and is_terminal(sys.stdout)
                live.update(self._frame(snapshot()), refresh=True)

    def _frame(self, now: Snapshot) -> RenderableType:
        return Group(
            Bar(label=Text(one_line(self._batch), style="bold"), numbers=now.counts),
            Flow(list(self._counts(now))),
            *([Flow(lanes)] if (lanes := list(_lanes(now))) else []),
            Flow([Text(part, style="dim") for part in self._pace(now)]),
            *map(_failure, self._progress.failures),
        )

    def _pace(self, now: Snapshot) -> Iterator[str]:
        yield seconds(now.elapsed)
        there = self._progress.there.at_most(now.submitting)
        if there.all_rows:
            yield there.text
        elif now.starts_per_second and now.planned + now.submitting:
            yield f"{now.starts_per_second:.1f} started/s"
        if now.throttled:
            yield f"{now.throttled} throttled"
        if now.unanswered:
            yield f"{now.unanswered} unanswered"
        if now.others and now.planned:
            yield f"{now.planned} planned wait for {now.others} active runs of other batches"
        if now.left is not None and now.ended < now.total:
            yield f"about {seconds(now.left)} left, until {until(self._clock.utcnow(), now.left)}"

    def _counts(self, now: Snapshot) -> Iterator[Text]:
        for name, style in _STYLES:
            number = now.counts[name]
            if number or name in {"queued", "running", "succeeded"}:
                text = running(now, self._progress.at_once) if name == "running" else f"{name} {number}"
                yield Text(text, style=style if number else "dim")


def _lanes(now: Snapshot) -> Iterator[Text]:
    """Show each lane's active runs, and where nothing is sent to it; the log beside says more."""
    active, troubles = now.active_by_lane or {}, now.lane_troubles or {}
    for lane in sorted({*active, *troubles}):
        number = active.get(lane, 0)
        text = Text().append(f"{one_line(lane)} {number} active", style="" if number else "dim")
        if (why := troubles.get(lane)) is not None:
            text.append(f", {why}", style="bold red" if why == LaneTrouble.STOPPED.value else "yellow")
        yield text


def running(now: Snapshot, at_once: Mapping[str, int]) -> str:
    """Say how many are running, and of how many; the kind of storage only where there are several."""
    if not at_once:
        return f"running {now.running}"
    several = len(at_once) > 1
    most = ", ".join(f"{limit} {kind}" if several else str(limit) for kind, limit in at_once.items())
    return f"running {now.running} of {most}"


def _failure(one: FailedRow) -> Text:
    text = Text(f"  {one.status} ", style="red", no_wrap=True, overflow="ellipsis")
    text.append(one_line(one.entry.id), style="bold")
    return text.append(f" {one.why}", style="default")
