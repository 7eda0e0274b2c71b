"""
The bar of a batch on a terminal: what succeeded, what ended otherwise, and what is still to do.

Each part has a sign of its own, so that the bar says as much without colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console, ConsoleOptions, RenderResult

#: What each sign says and how it looks, and the signs in ASCII for terminals that know no others.
_SIGNS: Final = (("━", "green"), ("╍", "bold red"), ("╍", "magenta"), ("─", "dim"))
_ASCII: Final = ("=", "x", "c", "-")
_BAD: Final = ("failed", "deleted", "refused")
#: A name takes at most this part of the line.
_NAME: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One line, as wide as there is room: a label, the bar, and how many entries have ended."""

    label: Text
    numbers: Mapping[str, int]  #: entries by where they stand

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
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
        """Succeeded, ended in trouble, cancelled, still to do."""
        succeeded, cancelled = self.numbers["succeeded"], self.numbers["cancelled"]
        bad = sum(self.numbers[name] for name in _BAD)
        return succeeded, bad, cancelled, sum(self.numbers.values()) - succeeded - bad - cancelled


@dataclass(frozen=True, slots=True)
class Flow:
    """Texts one after the other, on as many lines as they need: a line ends between two, never within one."""

    parts: Sequence[Text]
    indent: str = "  "
    gap: str = "  "

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
        line = Text(self.indent)
        for part in self.parts:
            is_first = line.cell_len == len(self.indent)
            if not is_first and line.cell_len + len(self.gap) + part.cell_len > options.max_width:
                yield line
                line, is_first = Text(self.indent), True
            line.append("" if is_first else self.gap).append_text(part)
        yield line


def shared(counts: Sequence[int], cells: int) -> list[int]:
    """Share *cells* out by *counts*; what is not zero gets one at least, or 1 of 10,000 would not be seen."""
    total, room = max(1, sum(counts)), max(0, cells)
    ends = [round(count * room / total) for count in accumulate(counts)]
    shares = [end - start for start, end in pairwise((0, *ends))]
    for place, count in enumerate(counts):
        if count and not shares[place] and max(shares) > 1:
            shares[shares.index(max(shares))] -= 1
            shares[place] = 1
    return shares
