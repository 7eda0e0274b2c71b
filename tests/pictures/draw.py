"""
Pictures of what a launch showed: the live view as SVG, the report as PNG, each for light and dark pages.

Belongs here: how they look. Does not: what is on them (``launch``).
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Final

from rich.console import Console, RenderableType
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from batchrun.report import html
from batchrun.report.gathering import Report
from batchrun.report.outputs import REPORT, OutputFile
from tests.report.browser import chromium, tab

_COLUMNS: Final = 112
#: Pixels of the window, and what a picture has for each.
_WINDOW: Final = 1100
_SCALE: Final = 0.75
#: The place of the heading after that one.
_AFTER_RUNS_OVER_TIME: Final = """
    const heads = [...document.querySelectorAll("h2")];
    const at = heads.findIndex(head => head.innerText == "Runs over time");
    heads[at + 1].getBoundingClientRect().top - 55
"""


def _colour(text: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(text)
    return red, green, blue


def _theme(background: str, foreground: str, colours: str) -> TerminalTheme:
    return TerminalTheme(_colour(background), _colour(foreground), list(map(_colour, colours.split())))


#: In GitHub's own colours: background, foreground, and the eight of a terminal.
_THEMES: Final = {
    "light": _theme("f6f8fa", "1f2328", "24292f cf222e 116329 9a6700 0969da 8250df 1b7c83 6e7781"),
    "dark": _theme("161b22", "e6edf3", "484f58 ff7b72 3fb950 d29922 58a6ff bc8cff 39c5cf b1bac4"),
}
#: Rich would have the font fetched; a picture fetches nothing, and the reader's own monospace will do.
_FONTS: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def live_view(frame: RenderableType, command: str) -> dict[str, str]:
    """Return the SVG of a terminal on which *command* shows *frame*, by theme."""
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text("$ ", style="dim").append(command, style="not dim"))
    console.print(frame)
    return {
        name: _FONTS.sub("", console.export_svg(title="batchrun", theme=theme, clear=False, unique_id="live"))
        for name, theme in _THEMES.items()
    }


async def report(made: Report, path: Path) -> dict[str, bytes]:
    """Write the report to *path*, and return PNGs of it, down to the runs over time, by scheme."""
    html.write(OutputFile(path=path, kind=REPORT, option="-o FILE"), made)
    found = {}
    with chromium() as address:
        async with tab(address) as page:
            for scheme in _THEMES:
                await page.look(width=_WINDOW, scheme=scheme)
                await page.open(path)
                height = await page.ask(_AFTER_RUNS_OVER_TIME)
                found[scheme] = await page.shoot(x=0, y=0, width=_WINDOW, height=height, scale=_SCALE)
    return found
