"""What is sent of a batch: parts of the page as HTML, rows and charts as the report packs them.

Untrusted text is escaped by the templates, or is JSON that scripts show as text. Belongs here: from rows and
figures to what is sent, the pages, and their assets. Does not: reading (``following``), sockets (``server``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from batchrun.model.entries.entry import start_run_request
from batchrun.model.spec import Json
from batchrun.ports.stored import Batch, Outcome
from batchrun.report import html
from batchrun.report.gathering import Report, ShownRow, StartCalls, row_of
from batchrun.report.json_names import API_NAMES, NEWS
from batchrun.report.packing import Timeline, cut, moments_of, packed, script_text
from batchrun.version import __version__

if TYPE_CHECKING:
    import jinja2

    from batchrun.serve.choosing import Query
    from batchrun.serve.following import Following, ShelvedBatch, Sums

_SCRIPTS: Final = (*html.PARTS, "timeline.js", "table.js", "live.js")
_STYLES: Final = ("uplot/uPlot.min.css", "report.css", "live.css")
_NO_TIMELINE: Final = Timeline(moments=(), undated=0)
#: Most reasons and lanes to choose from.
_OFFERED: Final = 200
#: Most characters of a request that are shown.
_REQUEST: Final = 20_000
#: Most events of one row that are shown, the latest.
_EVENTS: Final = 500
_Event = tuple["datetime", int, str, str]


def page(name: str, **facts: Any) -> str:
    """Render a whole page."""
    return _environment().get_template(name).render(version=__version__, **facts)


def part(name: str, *arguments: Any) -> str:
    """Render a part of a page: a macro of this page or of the report."""
    macro = getattr(_environment().get_template("live_parts.html.j2").module, name)
    return str(macro(*arguments))


@cache
def script() -> str:
    """Return the script of all pages: the report's parts and the live ones."""
    return html.wrapped([asset(name) for name in _SCRIPTS])


@cache
def style() -> str:
    """Return the style of all pages: the report's and this page's own."""
    return "\n".join(map(asset, _STYLES))


def asset(name: str) -> str:
    """Return the text of an asset, of this page or of the report."""
    own = files("batchrun.serve").joinpath("assets", name)
    return own.read_text(encoding="utf-8") if own.is_file() else html.asset(name)


@cache
def _environment() -> jinja2.Environment:
    return html.environment(asset)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownEvent:
    """One event of a row's history."""

    at: datetime
    attempt: int
    kind: str
    facts: Sequence[tuple[str, str]]


def now_facts(following: Following) -> dict[str, Json]:
    """Return the current numbers, which are sent every second at most."""
    counts = following.counts
    summary = replace(_sums(following).summary, counts=counts, total=len(following.rows))
    ended = sum(number for standing, number in counts.items() if standing.is_end)
    said = ", ".join(f"{number:,} {one.value}" for one, number in counts.items() if number)
    return {
        "version": following.edition,
        "title": f"{ended * 100 // max(1, len(following.rows))} % {html.inert(following.batch.name)}",
        "said": f"{said or 'no rows'}, of {len(following.rows):,}",
        "shares": [[standing.value, number] for standing, number in counts.items()],
        "parts": {"verdict": part("verdict", summary), "tiles": part("tiles", summary)},
    }


def sums_facts(following: Following) -> dict[str, Json]:
    """Return the figures that take long to compute."""
    sums = _sums(following)
    return {
        "parts": parts_of(following),
        "timeline": moments_of(sums.timeline, following.batch.created_at),
        "lanes": _offered(lane.name for lane in sums.now.lanes),
        "reasons": _offered(one.reason for one in sums.failures),
        "offered": [one.value for one, number in following.counts.items() if number],
    }


def _offered(names: Iterable[str | None]) -> list[Json]:
    different: list[Json] = [name for name in dict.fromkeys(names) if name]
    return different[:_OFFERED]


def parts_of(following: Following) -> dict[str, Json]:
    """Return the parts of a page that take long to compute."""
    sums = _sums(following)
    return {
        "facts": part("live_facts", sums.summary, sums.now),
        "lanes": part("lanes", sums.now.lanes) if sums.now.lanes else "",
        "failures": part("failures", sums.failures, sums.summary),
        "moments": part("moments", html.told(sums.timeline)),
        "undated": part("undated", sums.timeline),
        "slowest": part("slowest", sums.slowest),
        "launcher": part("launcher", sums.now),
    }


def rows_facts(following: Following, wanted: Query, at: datetime) -> dict[str, Json]:
    """Return a page of rows, with the numbers of matching and of all rows."""
    found = following.choose(wanted)
    shown = found[wanted.first : wanted.first + wanted.most]
    return {
        **_packed(following.batch, shown, at, following),
        "found": len(found),
        "total": len(following.rows),
        "version": following.edition,
    }


def first_rows(following: Following, wanted: Query, at: datetime) -> str:
    """Return a batch page's first rows, for a script element."""
    return script_text(rows_facts(following, wanted, at) | sums_facts(following) | {"parts": None})


def story_facts(
    batch: Batch, outcome: Outcome, tasks: Mapping[int, Any], history: Sequence[_Event], at: datetime
) -> dict[str, Json]:
    """Return one row's story: its attempts packed, its events and its request as HTML."""
    entry = outcome.entry
    row = row_of(outcome, tasks)
    asked = start_run_request(entry.as_in(next(iter(entry.may_take), None)))
    request = json.dumps(asked, indent=2, ensure_ascii=False)
    return {
        **_packed(batch, [row], at, None),
        "parts": {
            "standing": part("standing", row),
            "events": part("events", [_event(*one) for one in history[-_EVENTS:]], len(history)),
            "request": part("request", cut(request, _REQUEST)),
        },
    }


def shelf_facts(batches: Sequence[ShelvedBatch], total: int) -> dict[str, Json]:
    """Return the list of batches."""
    return {"parts": {"batches": part("batches", batches, total)}}


def written(facts: Mapping[str, Json]) -> bytes:
    """Return facts as JSON."""
    return json.dumps(facts, separators=(",", ":")).encode()


def _packed(
    batch: Batch, rows: Sequence[ShownRow], at: datetime, following: Following | None
) -> dict[str, Json]:
    lanes = () if following is None else following.lanes
    report = Report(batch=batch, rows=rows, calls=StartCalls(), at=at, lanes=lanes)
    return packed(report, _NO_TIMELINE, batch.created_at)


def _event(at: datetime, attempt: int, kind: str, detail: str) -> ShownEvent:
    told = json.loads(detail)
    run = told.pop("run", {})
    facts = [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in told.items()]
    facts += [(API_NAMES.get(name, name), str(run[name])) for name in NEWS if run.get(name) is not None]
    return ShownEvent(at=at, attempt=attempt, kind=kind, facts=facts)


def _sums(following: Following) -> Sums:
    if following.sums is None:  # pragma: no cover (callers have waited for them)
        raise LookupError(following.batch.name)
    return following.sums
