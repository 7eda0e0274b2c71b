"""The errors that end a launch: no permission, no answer, an unknown outcome, or other runs in the way."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from batchrun.errors import CallError, MayNotStartError, ServiceUnusableError, UsageError
from batchrun.model.entries.entry import Entry, Run
from batchrun.model.entries.recovery import Judgement, Match
from batchrun.model.planning.verdicts import CONFLICT
from batchrun.model.submissions.submission import OpenSubmission
from batchrun.model.texts.words import counted

#: AWS names the missing action in the middle of its message.
_DENIED_ACTION: Final = re.compile(r"not authorized to perform:? ([a-z0-9-]+:[A-Za-z*]+)")


def not_permitted(operation: str, error: CallError) -> ServiceUnusableError:
    """Return the error to raise for a launch that lacks the permission for *operation*."""
    named = _DENIED_ACTION.search(error.message)
    action = named[1] if named else f"omics:{operation}"
    other = ", or leave the tags off with --no-tags" if action == "omics:TagResource" else ""
    kind = ServiceUnusableError if operation == "GetRun" else MayNotStartError
    return kind(
        f"{operation} is denied: {error.message}; nothing is lost: allow "
        f"{action}{other} ('batchrun help iam' has the whole policy), then run the same command again"
    )


def listing_denied(error: CallError) -> ServiceUnusableError:
    """Return the error to raise where runs that other ledgers started may not be listed."""
    return MayNotStartError(
        f"{error.operation} is denied: {error.message}; so runs that exist already cannot be found, "
        f"and nothing is sent: allow omics:{error.operation} ('batchrun help iam' has the whole "
        "policy), or give --trust-ledger if this ledger is the only one that ever started this batch"
    )


def listing_unanswered(error: CallError) -> ServiceUnusableError:
    """Return the error to raise where listing runs that other ledgers started has failed for too long."""
    return ServiceUnusableError(
        f"{error.operation} has no usable answer, asked again and again ({error.code}: {error.message}); so "
        "runs that exist already cannot be found, and nothing more is sent; nothing is lost: run the same "
        "command again once it answers, or give --trust-ledger if this ledger is the only one that ever "
        "started this batch"
    )


def lanes_unusable(
    held_up: Mapping[str, tuple[ServiceUnusableError, int]], free: int, *, may_send: bool
) -> ServiceUnusableError:
    """Return the error for lanes that hold up rows: why, and how many rows are their own.

    *free* rows may take several lanes; *may_send*: some lane would send them.
    """
    words = [
        f"lane {lane}: {why}" + (f" ({_waiting(rows)})" if rows else "")
        for lane, (why, rows) in held_up.items()
    ]
    asked = ", until each of these can be asked whether it has the row already"
    cure = " (--trust-ledger: send without asking)"
    if free:
        words.append(f"{_waiting(free)} that may take several lanes" + (asked + cure if may_send else ""))
    return ServiceUnusableError("; ".join(words))


def _waiting(rows: int) -> str:
    return counted(rows, "row waits", "rows wait")


def outcome_unknown(doubts: Sequence[Entry], submissions: Sequence[OpenSubmission]) -> ServiceUnusableError:
    """Return the error for rows, at least one, whose outcome is still unknown.

    Some of them may have been sent by the open *submissions*.
    """
    first = doubts[0]
    start, why = "StartRun", f"{first.code}: {first.message}"
    for sent in submissions:
        if first.id in sent.ids:
            batch = sent.submission.batch_id or f"'{sent.submission.name}'"
            start = f"StartRunBatch {batch}"
            why = why if first.code else f"{sent.submission.code}: {sent.submission.message}"
    cure = "run the same command again once the service answers"
    if first.code == CONFLICT:
        cure += "; where it refuses the requestId of a run that was deleted, give the row another id"
    return ServiceUnusableError(
        f"{counted(len(doubts), 'row')} may have been started, '{first.id}' first, and neither {start} nor a "
        f"look for its run has an answer that says so ({why}); nothing is lost, and nothing is started "
        f"twice: {cure}"
    )


def looks_unanswered(unanswered: Mapping[str, tuple[Run, CallError]]) -> ServiceUnusableError:
    """Return the error to raise where the last looks at some runs, at least one, got no answer."""
    return ServiceUnusableError(
        f"{runs_unanswered(unanswered)}; everything else is done, nothing is lost, and a run that is going "
        "continues: run the same command again once the service answers"
    )


def runs_unanswered(unanswered: Mapping[str, tuple[Run, CallError]]) -> str:
    """Return in words which runs, by entry and at least one, the last look got no answer for, and why."""
    entry_id, (run, error) = next(iter(unanswered.items()))
    return (
        f"of the run of {counted(len(unanswered), 'row')}, '{entry_id}' first (run {run.id}), nothing is "
        f"told, asked again and again ({error.operation}: {error.code}: {error.message})"
    )


def other_content(batch: str, rows: Sequence[tuple[str, Judgement]], *, is_other_batch: bool) -> UsageError:
    """Return the error to raise for rows whose runs have other content, or cannot be told apart."""
    entry_id, judgement = rows[0]
    count = counted(len(rows), "row")
    if is_other_batch:
        run = judgement.attempts[-1].run if judgement.attempts else None
        since = f", created {run.creation_time:%Y-%m-%d %H:%M} UTC" if run and run.creation_time else ""
        return UsageError(
            f"the service has another batch named '{batch}': most of the runs with its name and ids were "
            f"started with other content ({count}, '{entry_id}' first{since}); give --batch NAME "
            "for a batch of its own, or, if these runs are this batch's, take them in with "
            "'batchrun ledger rebuild MANIFEST --changed keep|resubmit'"
        )
    if judgement.match is Match.CHANGED:
        run = judgement.attempts[-1].run
        return UsageError(
            f"the service has runs of {count} that were started with other content, "
            f"'{entry_id}' first (run {run.id}); take them in with 'batchrun ledger rebuild MANIFEST "
            "--changed keep', or give --changed resubmit to start new runs with the new content, or another "
            "--batch"
        )
    runs = ", ".join(judgement.rivals[:5])
    return UsageError(
        f"the service has runs that may be those of {count}, '{entry_id}' first (runs {runs}): "
        f"{judgement.why}"
    )
