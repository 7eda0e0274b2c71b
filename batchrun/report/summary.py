"""A batch in a few words: the summary that hooks and notices get.

Belongs here: its fields, which programs rely on, and its wording for people. Does not: when it is sent
(``model.notices``), how it is delivered (``notify``), the summary of a launch on stdout (``cli``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from batchrun.model.entries.reasons import advice_for
from batchrun.model.notices import Notice
from batchrun.model.spec import Json
from batchrun.model.texts.words import counted, some, stands
from batchrun.ports.stored import Counts, Failures
from batchrun.report.json_names import with_old_names
from batchrun.report.overview import numbers
from batchrun.report.results import iso, status
from batchrun.version import __version__

if TYPE_CHECKING:
    from batchrun.ports.ledger import Ledger

#: Most ids of a reason, and most reasons, in a notice.
_IDS: Final = 20
_REASONS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchFacts:
    """Facts about a launch; undecided ones are None."""

    started_at: datetime
    results: str  #: where they are
    ended_at: datetime | None = None
    exit_code: int | None = None
    stop: str | None = None  #: why it ended, as in the summary on stdout; None after an error
    error: str | None = None  #: the error that ended it


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The state of a batch when a notice is sent."""

    notice: Notice
    batch: str
    counts: Counts
    failures: tuple[Failures, ...]
    launch: LaunchFacts

    def facts(self) -> dict[str, Json]:
        """Return it for programs. The names are a contract; new ones may be added."""
        facts = {
            "notice": self.notice.value,
            "batch": self.batch,
            "title": self.title,
            "text": self.text,
            "exit_code": self.launch.exit_code,
            "stop": self.launch.stop,
            "error": self.launch.error,
            "total": self.counts.total,
            "counts": dict(numbers(self.counts)),
            "failures": [group_facts(group) for group in self.failures],
            "results": self.launch.results,
            "started_at": iso(self.launch.started_at),
            "ended_at": iso(self.launch.ended_at),
            "version": __version__,
        }
        return with_old_names("notice", facts)

    @property
    def title(self) -> str:
        """Return it in one line."""
        what = {
            Notice.FAILURE: "has a first failure",
            Notice.STOPPED: "stopped and needs attention",
            Notice.END: "has ended",
            Notice.DIGEST: "is in progress",
        }
        shown = stands(numbers(self.counts)) or "no rows"
        return _line(f"{self.batch} {what[self.notice]}: {shown} (of {self.counts.total})")

    @property
    def text(self) -> str:
        """Return it as text for a mail."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield self.title
        if self.launch.error is not None:
            yield _line(self.launch.error)
        for group in self.failures:
            rows = counted(group.count, "row")
            yield ""
            yield _line(f"{group_status(group)} {group.reason or ''}".rstrip() + f": {rows}")
            yield _line(f"  {advice_for(group.state, group.reason)}")
            yield _line("  " + some([entry.id for entry in group.entries], group.count))
        yield ""
        yield f"results: {self.launch.results}"


async def summary(ledger: Ledger, batch: str, notice: Notice, launch: LaunchFacts) -> Summary:
    """Return the numbers of *batch*."""
    groups = await ledger.batch(batch).story.failures(limit=_IDS)
    return Summary(
        notice=notice,
        batch=batch,
        counts=await ledger.batch(batch).counts(),
        failures=tuple(groups[:_REASONS]),
        launch=launch,
    )


def group_facts(group: Failures) -> dict[str, Json]:
    """Return rows that failed for one reason, for programs."""
    return {
        "status": group_status(group),
        "failureReason": group.reason,
        "count": group.count,
        **advice_for(group.state, group.reason).facts,
        "ids": [entry.id for entry in group.entries],
    }


def group_status(group: Failures) -> str:
    """Return the status of these rows, in the service's word."""
    return status(group.entries[0])


def _line(text: str) -> str:
    """Return untrusted text as one line, without characters that terminals or mail programs act on."""
    return "".join(one if one.isprintable() else " " for one in text).rstrip()
