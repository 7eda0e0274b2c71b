"""The state of a batch, in words and in JSON; the numbers are from ``report.overview``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from batchrun.cli.showing.failed import FailedRow, in_brackets
from batchrun.cli.speak import one_line, printable, until
from batchrun.model.entries.entry import Entry
from batchrun.model.entries.states import State
from batchrun.model.texts.words import counted, seconds, stands
from batchrun.ports.stored import Batch, Counts, KeptPace
from batchrun.report.overview import ENDS_WINDOW, MOST_CANCELLING, Estimate, LaneCounts, Overview, numbers
from batchrun.report.results import iso, row, status

_ENDS: Final = seconds(ENDS_WINDOW.total_seconds())


def summary(batch: Batch, counts: Counts) -> str:
    """Return one line with the number of entries in each state."""
    waiting = counts.by_state.get(State.BACKOFF, 0)
    verb = "waits" if waiting == 1 else "wait"
    again = f"; {waiting} of those planned {verb} to be sent again" if waiting else ""
    also = f"; {changed(counts.changed)}" if counts.changed else ""
    return f"{printable(batch.name)}: {stands(numbers(counts)) or 'no rows'} (of {counts.total}){again}{also}"


def changed(number: int) -> str:
    """Return a line: so many rows keep runs whose content differs from the manifest's now."""
    rows = counted(number, "row keeps a run", "rows keep runs")
    return f"{rows} of other content than the manifest has now ('changed' in the results)"


def details(now: Overview) -> Iterator[tuple[str, str]]:
    """Yield all else as label and text; an empty label continues the one before."""
    if now.batch.account and not now.lanes:
        yield "account", f"{now.batch.account}, {now.batch.region}"
    yield from _labelled("lanes", (line for one in now.lanes for line in _lane(one)))
    yield "launcher", _holder(now)
    if now.there.all_rows:
        yield "together", now.there.text
    if not now.has_ended:
        yield "starts", _starts(now)
        yield "left", _left(now)
        yield "slots", f"{now.counts.slots} in use"
    if now.cancelling:
        yield "cancel", _cancelling(now)
    if now.waiting is not None or now.deferrals:
        yield "put off", _put_off(now)
    yield from _labelled("pace", (_pace(pace, now.at) for pace in now.paces))
    yield from _labelled("oldest", (_active(entry, now.at) for entry in now.oldest))
    failed = (FailedRow(entry=entry, found=now.tasks.get(entry.id)) for entry in now.failures)
    yield from _labelled("failed", (row.line for row in failed))


def facts(now: Overview) -> dict[str, Any]:
    """Return all of it for programs."""
    return {
        **count_facts(now.batch, now.counts),
        "starts_per_second": round(now.starts_per_second, 3),
        "seconds_left": _seconds_left(now.left),
        "slots": now.counts.slots,
        "deferrals": now.deferrals,
        "cancelling": now.cancelling,
        "next_due": iso(now.next_due),
        "holder": now.holder.holder if now.holder else None,
        "lease_expires": iso(now.holder.expires_at) if now.holder else None,
        "paces": [
            {
                "account": pace.account,
                "operation": pace.operation,
                "per_second": round(pace.learned.base, 3),
                "phase": pace.learned.phase.value,
                "at": iso(pace.at),
            }
            for pace in now.paces
        ],
        "oldest": [row(entry) for entry in now.oldest],
        "failures": [row(entry) for entry in now.failures],
        **({"lanes": [_lane_facts(one) for one in now.lanes]} if now.lanes else {}),
        **now.there.facts,
    }


def _cancelling(now: Overview) -> str:
    number = f"{now.cancelling} or more" if now.cancelling >= MOST_CANCELLING else str(now.cancelling)
    who = "the launcher is working on it" if now.holder else "'batchrun cancel' or 'run' continues"
    return f"{number} still to be cancelled; {who}"


def count_facts(batch: Batch, counts: Counts) -> dict[str, Any]:
    """Return the counts for programs."""
    place = {"region": batch.region, "account": batch.account}
    return {"batch": batch.name, **place, "total": counts.total, **numbers(counts), "changed": counts.changed}


def clock(time: datetime, at: datetime) -> str:
    """Return a time as people read it, with the day if it differs from that of *at*."""
    return f"{time:%H:%M:%S} UTC" if time.date() == at.date() else f"{time:%Y-%m-%d %H:%M:%S} UTC"


def _labelled(label: str, texts: Iterator[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        yield label, text
        label = ""


def _holder(now: Overview) -> str:
    if now.holder is not None:
        end = clock(now.holder.expires_at, now.at)
        return one_line(f"{now.holder.holder}, whose lease lasts until {end} unless renewed")
    if now.has_ended:
        return "none, and nothing is left to do"
    stopped = ", unless those that failed are too many for its --stop-after" if now.may_be_held_back else ""
    return f"none at the moment; 'batchrun run' continues{stopped}"


def _starts(now: Overview) -> str:
    span = seconds(now.starts_span.total_seconds())
    if not now.starts_per_second:
        return f"none in the last {span}"
    return f"{now.starts_per_second:.2g} per second over the last {span}"


def _left(now: Overview) -> str:
    if now.left is None:
        return f"not known yet: too few runs ended in the last {_ENDS}"
    spans = (now.left.likely, now.left.least, now.left.most)
    likely, least, most = (seconds(span.total_seconds()) for span in spans)
    by = until(now.at, now.left.likely.total_seconds())
    return f"about {likely}, until {by} ({least} to {most}) if runs end as in the last {_ENDS}"


def _put_off(now: Overview) -> str:
    times = {0: "not", 1: "once"}.get(now.deferrals, f"{now.deferrals} times")
    parts = [f"{times} in the last {_ENDS}"]
    if now.waiting is not None:
        parts.append(f"{now.waiting.id} waits because of {now.waiting.code or 'the service'}")
    if now.next_due is not None:
        parts.append(f"next try at {clock(now.next_due, now.at)}")
    return one_line("; ".join(parts))


def _lane(one: LaneCounts) -> Iterator[str]:
    numbers = one.numbers
    if one.name is None:
        if waiting := numbers.pop("planned"):
            yield f"in none yet: {waiting} planned, each sent once all its lanes were asked for a run of it"
        if before := stands(numbers):
            yield f"from before there were lanes: {before}"
        return
    parts = (one.place.account, one.place.region) if one.place else ("not used yet",)
    yield one_line(
        f"{one.name}: {stands(numbers) or 'no rows'} ({', '.join(part for part in parts if part)})"
    )


def _lane_facts(one: LaneCounts) -> dict[str, Any]:
    region, account = (one.place.region, one.place.account) if one.place else (None, None)
    return {"name": one.name, "region": region, "account": account, **one.numbers}


def _pace(pace: KeptPace, at: datetime) -> str:
    age = _age(pace.at, at)
    return one_line(
        f"{pace.operation} {pace.learned.base:.3g} per second, learned {age} ago ({pace.account})"
    )


def _age(since: datetime, at: datetime) -> str:
    """Return how long ago *since* was; that is never less than nothing, whichever clock is wrong."""
    return seconds(max(0.0, (at - since).total_seconds()))


def _active(entry: Entry, at: datetime) -> str:
    run = entry.run
    since = (run and (run.creation_time or run.start_time)) or entry.accepted_at
    age = f", {_age(since, at)} old" if since else ""
    return one_line(f"{entry.id} {status(entry)}{age}{in_brackets(entry)}")


def _seconds_left(left: Estimate | None) -> dict[str, int] | None:
    if left is None:
        return None
    parts = {"likely": left.likely, "least": left.least, "most": left.most}
    return {name: round(part.total_seconds()) for name, part in parts.items()}
