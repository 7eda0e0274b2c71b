"""A launch as metrics for Prometheus, in its text format, as node exporter's textfile collector reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from batchrun.ports.service import CallCounts, LaneTrouble
from batchrun.ports.stored import Counts, Lease
from batchrun.report.overview import LaneCounts, numbers
from batchrun.version import __version__

_UNUSABLE: Final = (LaneTrouble.WAITS, LaneTrouble.STOPPED)
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The state of a batch and its launch at one moment; unknown values are None."""

    batch: str
    at: datetime
    started_at: datetime
    counts: Counts
    lanes: Sequence[LaneCounts] = ()  #: empty in a batch without lanes
    starts_per_second: float
    seconds_left: float | None = None
    oldest_active: datetime | None = None  #: when the oldest active run was created
    last_success: datetime | None = None  #: when an entry was last seen to succeed
    calls: Mapping[str | None, Mapping[str, CallCounts]]  #: by lane, None in a batch without, and operation
    troubles: Mapping[str, LaneTrouble] = field(default_factory=dict)  #: lanes that nothing is sent to now
    lease: Lease | None = None  #: None if no launch holds the batch
    exit_code: int | None = None  #: None during the launch


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """One metric with its samples: values of labels beside the batch's name, and the value."""

    name: str
    help: str
    type: Literal["gauge", "counter"] = "gauge"
    labels: tuple[str, ...] = ()
    samples: Iterable[tuple[tuple[str, ...], float | None]]


def exposition(reading: Reading) -> str:
    """Return the whole text, without metrics whose value is unknown."""
    return "".join(
        f"{line}\n" for family in _families(reading) for line in _lines(family, _escaped(reading.batch))
    )


def _families(now: Reading) -> Iterator[_Family]:
    yield _Family(
        name="info",
        help="The version of batchrun that wrote this.",
        labels=("version",),
        samples=[((__version__,), 1)],
    )
    yield _Family(
        name="entries",
        help="Entries of the batch by state; queued and running are active runs.",
        labels=("state",),
        samples=[((state,), number) for state, number in numbers(now.counts).items()],
    )
    yield _Family(
        name="lane_entries",
        help="Entries of a batch with lanes by lane and state; the lane is empty where there is none (yet).",
        labels=("lane", "state"),
        samples=[
            ((lane.name or "", state), number) for lane in now.lanes for state, number in lane.numbers.items()
        ],
    )
    yield _Family(
        name="lane_usable",
        help="Whether a lane of this launch can be used: neither its login nor its service is waited for.",
        labels=("lane",),
        samples=[((lane,), now.troubles.get(lane) not in _UNUSABLE) for lane in _lanes(now)],
    )
    yield _one("starts_per_second", "Runs accepted per second recently.", now.starts_per_second)
    yield _one("remaining_seconds", "Time until the end at the recent rate.", now.seconds_left)
    yield from _calls(now)
    oldest = "Creation time of the oldest active run; its age is time() minus this."
    yield _one("oldest_active_run_timestamp_seconds", oldest, _stamp(now.oldest_active))
    success = "When a run was last seen to succeed."
    yield _one("last_success_timestamp_seconds", success, _stamp(now.last_success))
    yield _one("launcher_running", "Whether the launch was running then.", now.exit_code is None)
    lease = "When the lease on the batch runs out unless it is renewed."
    yield _one("lease_expiry_timestamp_seconds", lease, _stamp(now.lease.expires_at if now.lease else None))
    yield _one("last_exit_code", "Exit code of the last launch, once it has ended.", now.exit_code)
    yield _one("launch_start_timestamp_seconds", "When the launch began.", _stamp(now.started_at))
    yield _one("update_timestamp_seconds", "When this was written.", _stamp(now.at))


def _lanes(now: Reading) -> Sequence[str]:
    return sorted({lane for lane in now.calls if lane is not None} | {*now.troubles})


def _calls(now: Reading) -> Iterator[_Family]:
    sent = "Requests that this launch sent to HealthOmics, by operation."
    yield _counted(now, "calls_total", sent, lambda one: one.sent)
    throttled = "Requests of this launch that were throttled, by operation."
    yield _counted(now, "calls_throttled_total", throttled, lambda one: one.throttled)
    unanswered = "Requests of this launch without a usable answer, by operation."
    yield _counted(now, "calls_unanswered_total", unanswered, lambda one: one.unanswered)


def _counted(now: Reading, name: str, text: str, count: Callable[[CallCounts], int]) -> _Family:
    """Return a counter of calls, with the lane as a label in a batch with lanes."""
    has_lanes = bool(_lanes(now))
    return _Family(
        name=name,
        help=text,
        type="counter",
        labels=("operation", "lane") if has_lanes else ("operation",),
        samples=[
            ((operation, lane or "") if has_lanes else (operation,), count(one))
            for lane, calls in now.calls.items()
            for operation, one in sorted(calls.items())
        ],
    )


def _one(name: str, text: str, value: float | None) -> _Family:
    return _Family(name=name, help=text, samples=[((), value)])


def _lines(family: _Family, batch: str) -> Iterator[str]:
    samples = [(worths, value) for worths, value in family.samples if value is not None]
    if not samples:
        return
    name = f"batchrun_{family.name}"
    yield f"# HELP {name} {family.help}"
    yield f"# TYPE {name} {family.type}"
    for worths, value in samples:
        labels = zip(family.labels, worths, strict=True)
        more = "".join(f',{label}="{_escaped(worth)}"' for label, worth in labels)
        yield f'{name}{{batch="{batch}"{more}}} {_number(value)}'


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


def _number(value: float) -> str:
    """Return a number as text, whole numbers without an exponent."""
    whole = float(value)
    return f"{whole:.0f}" if whole.is_integer() else repr(round(whole, 3))


def _stamp(time: datetime | None) -> float | None:
    return time.timestamp() if time else None
