"""The report as one HTML file that needs no network and runs no script but its own.

Untrusted text is made inert in four ways: the template escapes it, JSON has no ``<``, scripts only set
``textContent``, and the page's policy allows only scripts and styles with the digests that it names.
Misleading characters (controls, direction overrides) are shown as escapes. The live page (``serve``) uses the
same filters and assets.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from importlib.resources import files
from typing import Final

import jinja2

from batchrun.errors import ReportError
from batchrun.model.entries.reasons import task_advice
from batchrun.model.texts.words import seconds, spelt_out
from batchrun.report import figures
from batchrun.report.drafts import replacing
from batchrun.report.gathering import Report
from batchrun.report.outputs import OutputFile
from batchrun.report.packing import ChartPoint, Timeline, cut, packed, script_text, timeline
from batchrun.version import __version__

#: Scripts that both pages begin with.
PARTS: Final = ("rows.js", "links.js", "colours.js", "lines.js", "bars.js")
_SHOWN: Final = 300
#: Most ids that are shown with a reason; the table has all of them.
IDS: Final = 200
#: Moments of the chart that are also shown as numbers.
_TOLD_MOMENTS: Final = 24
#: Shown for unknown values.
_UNKNOWN: Final = "\N{EN DASH}"
_SCRIPTS: Final = (*PARTS, "timeline.js", "gantt.js", "at_hand.js", "table.js", "report.js")
#: Time without events, with work left, that is shown: a launcher records something at least this often.
_SILENCE: Final = timedelta(hours=1)


def write(output: OutputFile, report: Report) -> None:
    """Replace *output* with the report; readers see the old file or the new one, never a part."""
    text = render(report)
    try:
        with replacing(output) as file:
            file.write(text)
    except OSError as error:
        raise ReportError(output.shown, error) from error


def render(report: Report) -> str:
    """Return the HTML."""
    rows, at = report.rows, report.at
    over_time = timeline(rows, at)
    scripts = (asset("uplot/uPlot.iife.min.js"), wrapped([asset(name) for name in _SCRIPTS]))
    styles = (asset("uplot/uPlot.min.css"), asset("report.css"))
    return (
        environment(asset)
        .get_template("report.html.j2")
        .render(
            report=report,
            version=__version__,
            summary=figures.summary(rows, at),
            failures=figures.failures(rows, report.tasks),
            slowest=figures.slowest(rows, at),
            timeline=over_time,
            told_moments=told(over_time),
            data=script_text(packed(report, over_time)),
            scripts=scripts,
            styles=styles,
            policy=_policy(scripts, styles),
            licence=asset("uplot/LICENSE"),
            most_silence=_SILENCE,
        )
    )


def _policy(scripts: Sequence[str], styles: Sequence[str]) -> str:
    """Return the policy that allows only these scripts and styles, by digest."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(map(_digest, scripts))}",
            f"style-src {' '.join(map(_digest, styles))}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def inert(text: object, most: int = _SHOWN) -> str:
    r"""Return *text* with invisible characters escaped, such as ``\u202e``, and cut if too long."""
    return spelt_out(cut(str(text), most), kept="\n")


def span(time: timedelta | None) -> str:
    """Return a duration for people, with tenths of a second if short: ``4.2 s``, ``3 min``."""
    if time is None:
        return _UNKNOWN
    whole = max(0.0, time.total_seconds())
    return f"{whole:.1f} s" if whole < 9.95 else seconds(whole)  # noqa: PLR2004


def money(amount: Decimal) -> str:
    """Return an amount of money for people."""
    return f"{amount:,.2f}" if amount >= 1 or not amount else f"{amount:.4f}"


def utc(time: datetime | None) -> str:
    """Return a time in UTC, which the page says it is."""
    return _UNKNOWN if time is None else time.strftime("%Y-%m-%d %H:%M:%S")


def told(timeline: Timeline) -> Sequence[ChartPoint]:
    """Return some of the timeline's moments, evenly spread, including the last."""
    return timeline.moments[:: -max(1, len(timeline.moments) // _TOLD_MOMENTS)][::-1]


def environment(loaded: Callable[[str], str]) -> jinja2.Environment:
    """Return an environment with the templates that *loaded* returns by name; it escapes all text."""
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(loaded),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "inert": inert,
        "cut": cut,
        "span": span,
        "utc": utc,
        "number": "{:,}".format,
        "money": money,
    }
    made.filters["task_advice"] = task_advice
    made.globals["most_ids"] = IDS
    return made


def asset(name: str) -> str:
    """Return the text of one of the report's assets."""
    return files("batchrun.report").joinpath("assets", name).read_text(encoding="utf-8")


def wrapped(parts: Sequence[str]) -> str:
    """Return one script, in a scope of its own."""
    return "\n".join(('"use strict";', "(() => {", *parts, "})();\n"))
