"""
A row that did not succeed, in one line: its failed task's reason where that is known.

Belongs here: this wording, for all who show such rows. Does not: which rows (``progress``,
``report.overview``), tasks at length (``tasks``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchrun.cli.wording import one_line
from batchrun.report.results import row

if TYPE_CHECKING:
    from batchrun.model.entry import Entry
    from batchrun.model.tasks import FailedTask, FailedTasks


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRow:
    """An entry that ended without success, and what is known of its run's tasks."""

    entry: Entry
    found: FailedTasks | None = None  #: None where nobody asked yet, or was told

    @property
    def status(self) -> str:
        """What became of it, in the service's word."""
        return str(row(self.entry)["status"])

    @property
    def why(self) -> str:
        """Why, on one line that is safe to show: a failed task says more than its run's message does."""
        cells = row(self.entry)
        reason = cells["failureReason"]
        task = self.found.tasks[0] if self.found and self.found.tasks else None
        parts = (reason, cells["statusMessage"]) if task is None else (reason, *_told(task, reason))
        return one_line(": ".join(str(part) for part in parts if part))

    @property
    def line(self) -> str:
        """All of it on one line that is safe to show."""
        run = f" (run {self.entry.run.id})" if self.entry.run else ""
        return one_line(f"{self.status} {self.entry.id}{run} {self.why}")


def _told(task: FailedTask, run_reason: object) -> tuple[str, str | None]:
    own = "" if task.failure_reason == run_reason else task.failure_reason or ""
    return f"task {task.name or task.id} {own}".rstrip(), task.status_message
