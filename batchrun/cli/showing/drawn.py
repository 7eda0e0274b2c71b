"""All drawing on a terminal with rich; imported for terminals only, since rich takes long to import.

The bar of a batch, whose parts differ by sign and so can be told apart without colours; the live display of a
launch and of ``status --watch``; the progress of ``check --inputs``; the first rows of results; the manual,
with code unwrapped. Does not belong here: the numbers (``progress``, ``report.overview``). Never for pipes:
rich writes nothing into one until the end, which would leave a cron log empty for hours.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate, islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, TextIO, cast

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.markdown import CodeBlock, Markdown, MarkdownElement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from batchrun.cli.showing.failed import FailedRow
from batchrun.cli.showing.overview_lines import details, summary
from batchrun.cli.showing.reporters import Reporter
from batchrun.cli.speak import is_terminal, one_line, printable, until, write
from batchrun.model.entries.events import Event
from batchrun.model.texts.words import counted, seconds
from batchrun.ports.objects import Sight
from batchrun.ports.service import LaneTrouble
from batchrun.report.overview import Overview, numbers

if TYPE_CHECKING:
    from batchrun.api.input_check import InputFindings
    from batchrun.cli.showing.progress import Snapshot
    from batchrun.model.entries.entry import Entry

#: Each sign with its style, and the signs for terminals that only show ASCII.
_SIGNS: Final = (("━", "green"), ("╍", "bold red"), ("╍", "magenta"), ("─", "dim"))
_ASCII: Final = ("=", "x", "c", "-")
_BAD: Final = ("failed", "deleted", "refused")
#: A name takes at most one part of this many of the line.
_NAME: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One line over the full width: a label, the bar, and how many entries have ended."""

    label: Text
    numbers: Mapping[str, int]  #: entries by state

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the line or lines."""
        ended, total = sum(self._parts[:-1]), sum(self._parts)
        amount = Text(f" {ended}/{total}")
        label = self.label.copy()
        label.truncate(options.max_width // _NAME, overflow="crop" if options.ascii_only else "ellipsis")
        signs = _ASCII if options.ascii_only else [sign for sign, _ in _SIGNS]
        line = Text(no_wrap=True).append_text(label).append(" ")
        room = options.max_width - line.cell_len - amount.cell_len
        shares = shared(self._parts if total else (0, 0, 0, 1), room)
        for sign, (_, style), cells in zip(signs, _SIGNS, shares, strict=True):
            line.append(sign * cells, style=style)
        yield line.append_text(amount)

    @property
    def _parts(self) -> tuple[int, ...]:
        """Numbers of entries that succeeded, ended in trouble, were cancelled, are still to do."""
        succeeded, cancelled = self.numbers["succeeded"], self.numbers["cancelled"]
        bad = sum(self.numbers[name] for name in _BAD)
        return succeeded, bad, cancelled, sum(self.numbers.values()) - succeeded - bad - cancelled


@dataclass(frozen=True, slots=True)
class Flow:
    """Texts one after the other, on as many lines as needed; lines break only between texts."""

    parts: Sequence[Text]
    indent: str = "  "
    gap: str = "  "

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the line or lines."""
        line = Text(self.indent)
        for part in self.parts:
            is_first = line.cell_len == len(self.indent)
            if not is_first and line.cell_len + len(self.gap) + part.cell_len > options.max_width:
                yield line
                line, is_first = Text(self.indent), True
            line.append("" if is_first else self.gap).append_text(part)
        yield line


@dataclass(frozen=True, slots=True)
class BesideEcho:
    """Lines that leave room for the ``^C`` that a terminal adds, so that it breaks none and all are wiped."""

    lines: Group

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the lines."""
        yield from console.render(self.lines, options.update(width=max(1, options.max_width - len("^C"))))


def shared(counts: Sequence[int], cells: int) -> list[int]:
    """Divide *cells* by *counts*; each that is not zero gets at least one, so that 1 of 10,000 is seen."""
    total, room = max(1, sum(counts)), max(0, cells)
    ends = [round(count * room / total) for count in accumulate(counts)]
    shares = [end - start for start, end in pairwise((0, *ends))]
    for place, count in enumerate(counts):
        if count and not shares[place] and max(shares) > 1:
            shares[shares.index(max(shares))] -= 1
            shares[place] = 1
    return shares


class _Terminal:
    """A terminal to draw on: once it is gone, as when its window is closed, the verb goes on undrawn."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write *text*, or drop it."""
        write(self._stream, text)
        return len(text)


def _on(stream: TextIO) -> Console:
    return Console(file=cast("TextIO", _Terminal(stream)))


_FRAMES_PER_SECOND: Final = 4
#: Columns of the labels of ``status --watch``.
_LABELS: Final = 10
#: A terminal's own blue is hard to read on a dark background.
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
        """Draw until cancelled; the last frame stays unless a summary on the terminal repeats it."""
        with Live(
            self._frame(snapshot()), console=_on(sys.stderr), auto_refresh=False, redirect_stdout=False
        ) as live:
            live.console.show_cursor()  # else a killed launch would leave it hidden
            try:
                while True:
                    await self._clock.sleep(1 / _FRAMES_PER_SECOND)
                    live.update(self._frame(snapshot()), refresh=True)
            finally:
                live.transient = self.has_summary and is_terminal(sys.stdout)
                live.update(self._frame(snapshot()), refresh=True)

    def _frame(self, now: Snapshot) -> RenderableType:
        bar = Bar(label=Text(one_line(self._batch), style="bold"), numbers=now.counts)
        below = Group(
            Flow(list(self._counts(now))),
            *([Flow(lanes)] if (lanes := list(_lanes(now))) else []),
            Flow([Text(part, style="dim") for part in self._pace(now)]),
            *map(_failure, self._progress.failures),
        )
        return Group(bar, BesideEcho(below))

    def _pace(self, now: Snapshot) -> Iterator[str]:
        yield seconds(now.elapsed)
        planned, submitting = now.counts["planned"], now.counts["submitting"]
        there = self._progress.there.at_most(submitting)
        if there.all_rows:
            yield there.text
        elif now.starts_per_second and planned + submitting:
            yield f"{now.starts_per_second:.1f} started/s"
        if now.throttled:
            yield f"{now.throttled} throttled"
        if now.unanswered:
            yield f"{now.unanswered} unanswered"
        if now.others and planned:
            yield f"{planned} planned wait for {now.others} active runs of other batches"
        if (again := self._progress.again) is not None:
            yield f"{counted(again.rows, 'row')} to be sent again, next in {seconds(again.next)}"
        if now.left is not None and now.ended < now.total:
            yield f"about {seconds(now.left)} left, until {until(self._clock.utcnow(), now.left)}"

    def _counts(self, now: Snapshot) -> Iterator[Text]:
        for name, style in _STYLES:
            number = now.counts[name]
            if number or name in {"queued", "running", "succeeded"}:
                text = running(now, self._progress.at_once) if name == "running" else f"{name} {number}"
                yield Text(text, style=style if number else "dim")


def _lanes(now: Snapshot) -> Iterator[Text]:
    """Yield each lane's active runs, or that nothing is sent to it; the log has the details."""
    active, troubles = now.active_by_lane or {}, now.lane_troubles or {}
    for lane in sorted({*active, *troubles}):
        number = active.get(lane, 0)
        text = Text().append(f"{one_line(lane)} {number} active", style="" if number else "dim")
        if (why := troubles.get(lane)) is not None:
            text.append(f", {why}", style="bold red" if why == LaneTrouble.STOPPED.value else "yellow")
        yield text


def running(now: Snapshot, at_once: Mapping[str, int]) -> str:
    """Return how many are running, and of how many; with the kind of storage if there are several."""
    if not at_once:
        return f"running {now.counts['running']}"
    several = len(at_once) > 1
    most = ", ".join(f"{limit} {kind}" if several else str(limit) for kind, limit in at_once.items())
    return f"running {now.counts['running']} of {most}"


def _failure(one: FailedRow) -> Text:
    text = Text(f"  {one.status} ", style="red", no_wrap=True, overflow="ellipsis")
    text.append(one_line(one.entry.id), style="bold")
    return text.append(f" {one.why}", style="default")


#: Rich's own style of code has a black background, whatever the terminal's is.
_PLAIN: Final = Theme({"markdown.code": "bold cyan", "markdown.code_block": "cyan"})
_CODE_THEME: Final = "ansi_dark"


class _WholeCode(CodeBlock):
    """Code with its lines as they are: a broken or cut line could not be copied."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = Syntax("", self.lexer_name, theme=_CODE_THEME).highlight(str(self.text).rstrip())
        code.rstrip()
        code.no_wrap, code.overflow = True, "ignore"
        yield code


class _Manual(Markdown):
    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "fence": _WholeCode,
        "code_block": _WholeCode,
    }


def laid_out(markdown: str, width: int) -> str:
    """Lay out *markdown* for a terminal; text fits *width*, code keeps its own width."""
    console = Console(force_terminal=True, width=width, theme=_PLAIN)
    with console.capture() as captured:
        console.print(_Manual(markdown, code_theme=_CODE_THEME), crop=False)
    return captured.get()


_ROWS_SHOWN: Final = 10
_COLUMNS_SHOWN: Final = ("id", "status", "runId", "uuid", "runOutputUri")
#: Wide enough for every column, so that a pipe gets whole rows.
_PIPE_WIDTH: Final = 160


def first_rows(results: Path) -> None:
    """Print the first rows of a CSV of results as a table, and how many more there are."""
    with results.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        table = Table(*_COLUMNS_SHOWN, box=None, pad_edge=False)
        for record in islice(reader, _ROWS_SHOWN):
            table.add_row(*(Text(printable(record[name])) for name in _COLUMNS_SHOWN))
        more = sum(1 for _ in reader)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PIPE_WIDTH)
    console.print(table)
    if more:
        console.print(f"... and {more} more rows in {results}", soft_wrap=True, highlight=False)


@contextmanager
def watched() -> Iterator[Callable[[Overview], None]]:
    """Yield a function that draws a batch's overview over the one before; the last one stays."""
    with Live(console=_on(sys.stdout), auto_refresh=False, redirect_stdout=False) as live:
        live.console.show_cursor()  # else a killed watch would leave it hidden
        yield lambda now: live.update(_overview(now), refresh=True)


def _overview(now: Overview) -> RenderableType:
    bar = Bar(label=Text(f"  {'ended':<{_LABELS - 1}}", style="dim"), numbers=numbers(now.counts))
    lines = [
        Text(f"  {label:<{_LABELS}}", style="dim", no_wrap=True, overflow="ellipsis").append(
            text, style="not dim"
        )
        for label, text in details(now)
    ]
    *parts, last = summary(now.batch, now.counts).split(", ")
    head = [*(Text(f"{part},", style="bold") for part in parts), Text(last, style="bold")]
    return Group(Flow(head, indent="", gap=" "), bar, *lines)


@contextmanager
def inputs_bar() -> Iterator[Callable[[InputFindings], None]]:
    """Yield a function that draws on stderr how many inputs were checked, and how many are bad."""
    columns = (
        TextColumn("inputs"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[bad]}"),
    )
    with Progress(*columns, console=_on(sys.stderr), transient=True, auto_refresh=False) as bar:
        task = bar.add_task("inputs", total=None, bad="")
        frame = 0.0

        def draw(inputs: InputFindings) -> None:
            nonlocal frame
            if (now := bar.get_time()) - frame >= 1 / _FRAMES_PER_SECOND:
                frame = now
                bad = inputs.looked_at - inputs.seen[Sight.THERE]
                text = f"{bad} not as they should be" if bad else ""
                bar.update(task, total=inputs.total, completed=inputs.looked_at, bad=text, refresh=True)

        yield draw
