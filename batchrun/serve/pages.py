"""The pages as text: templates, of ours and of the report's, and the files that a browser loads with them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from batchrun.report import template
from batchrun.version import __version__

if TYPE_CHECKING:
    import jinja2

_SCRIPTS: Final = (*template.PARTS, "timeline.js", "table.js", "live.js")
_STYLES: Final = ("uplot/uPlot.min.css", "report.css", "live.css")


def page(name: str, **facts: Any) -> str:
    """Render a whole page."""
    return _environment().get_template(name).render(version=__version__, **facts)


def part(name: str, *arguments: Any) -> str:
    """Render a part of a page: a macro of our own, or one that the report has too."""
    macro = getattr(_environment().get_template("live_parts.html.j2").module, name)
    return str(macro(*arguments))


@cache
def script() -> str:
    """Return the script of all pages: the report's parts, and what is live."""
    return template.wrapped([asset(name) for name in _SCRIPTS])


@cache
def style() -> str:
    """Return how all pages look: as the report does, and what is ours."""
    return "\n".join(map(asset, _STYLES))


def asset(name: str) -> str:
    """Return a file of ours, or of the report's."""
    own = files("batchrun.serve").joinpath("assets", name)
    return own.read_text(encoding="utf-8") if own.is_file() else template.asset(name)


@cache
def _environment() -> jinja2.Environment:
    return template.environment(asset)
