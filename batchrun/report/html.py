"""
The report as one HTML file that needs no network and runs no script but its own.

Text of others is inert in four ways: the template escapes it, JSON holds no ``<``, scripts show it by
``textContent`` alone, and the page's policy allows only scripts and styles whose digests it names. Characters
that would show something else than what is there (controls, direction overrides) are written out.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from batchrun.errors import ReportError
from batchrun.report import figures
from batchrun.report.outputs import replacing
from batchrun.report.packing import packed, script_text, timeline
from batchrun.report.template import PARTS, asset, environment, told, wrapped
from batchrun.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrun.report.gathering import Report
    from batchrun.report.outputs import OutputFile

_SCRIPTS: Final = (*PARTS, "timeline.js", "gantt.js", "at_hand.js", "table.js", "report.js")
#: Silence of the ledger, while there is work left, that is told: a launcher looks at least this often.
_SILENCE: Final = timedelta(hours=1)


def write(output: OutputFile, report: Report) -> None:
    """
    Replace the *output* by the report; readers see the old one or the new one, never a part.

    Raises:
        UsageError: The file may not be replaced.
        ReportError: The file cannot be written; the old one, if any, is as it was.
    """
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
    """Allow these scripts and styles by their digests, and nothing else."""
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
