"""Every exception that batchrun raises on purpose, split by who must act.

    BatchrunError
    ├── InputError                    you: nothing was submitted
    │   ├── UsageError                  options that cannot be combined
    │   │   └── LoginSettingError         a configuration of credentials that cannot work
    │   ├── ManifestError               every problem found in a manifest
    │   ├── ChangedRowsError            rows that changed after they were submitted
    │   └── LedgerUnusableError         a ledger path that cannot be opened or is not ours
    ├── LeaseError                    another launcher has the batch
    │   ├── LeaseHeldError              when starting
    │   └── LeaseLostError              in the middle: ours ran out and was taken over
    ├── ServiceError                  the service, or the way to it
    │   ├── CallError                   one call failed; what that means for its entry is in the class
    │   │   ├── ThrottledError            too fast: slow down, send the same again
    │   │   ├── QuotaExceededError        402: wait long, send the same again
    │   │   ├── ConflictError             409: another call with this requestId may be under way
    │   │   ├── RefusedError              400, 404 and their like: sending it again cannot help
    │   │   │   └── NotFoundError           404: what was asked for is not there
    │   │   ├── AccessDeniedError         403: a permission is missing
    │   │   ├── CredentialsError          no, expired or invalid credentials
    │   │   └── OutcomeUnknownError       the call may or may not have taken effect
    │   └── ServiceUnusableError        the launch stops; nothing is lost
    ├── StorageError                  the disk: stop before anything is lost
    │   ├── LedgerError                 under an open ledger
    │   ├── ResultsError                under the results, which the ledger can make again
    │   ├── ReportError                 under the report, likewise
    │   └── DeliveryError               a place in S3, for any of these
    ├── NoticeError                   a hook that did not take a notice: logged, and ends nothing
    └── InvariantError                us: a defect of batchrun

What belongs here: types, their fields, and how the message is built from them. What does not: deciding
what follows from an error (``model``), and turning one into an exit code (``cli``).
No message may hold a credential.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

#: Most changes of a row in a message.
_CHANGES: Final = 3
#: Most pairs of ids that a message shows.
_SHOWN_PAIRS: Final = 5
#: Most ranges of lines in a message.
_RANGES: Final = 8
#: Stands for omitted ones.
_MORE: Final = "..."


class BatchrunError(Exception):
    """The root of all exceptions that batchrun raises on purpose."""


class InputError(BatchrunError):
    """Something the user gave cannot be used; nothing was submitted."""


class UsageError(InputError):
    """Bad options or arguments, or a bad combination."""


class LoginSettingError(UsageError):
    """The configuration of credentials cannot work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem of a manifest: place, message and cure."""

    source: str  #: the file's path as given, ``<stdin>``, or the option that carried the text
    message: str  #: what is wrong, with the value (shortened) if it helps
    cure: str  #: what to do about it, as an instruction
    line: int | None = None  #: 1-based physical line on which the row, or the offending node, starts
    column: int | None = None  #: 1-based column, if the format knows it
    row: str | None = None  #: the row's ``id``, if known
    field: str | None = None  #: dotted path within the request, or the name of the CSV column
    lines: tuple[int, ...] = ()  #: all lines of the row, if several lines of a sheet make it
    count: int = 1  #: number of equal problems, of which this is the first
    also: tuple[int, ...] = ()  #: lines of the others, up to a limit

    def __str__(self) -> str:
        line = ",".join(_ranges(self.lines)) if self.lines else self.line
        place = ":".join(str(part) for part in (self.source, line, self.column) if part is not None)
        row = f" (id {self.row})" if self.row is not None else ""
        field = f" {self.field}:" if self.field is not None else ""
        return f"{place}{row}:{field} {self.message}{self._others}; {self.cure}"

    @property
    def _others(self) -> str:
        """Return where else the same problem is."""
        if self.count == 1:
            return ""
        lines = _ranges(self.also)
        if len(self.also) < self.count - 1 and lines and lines[-1] != _MORE:
            lines.append(_MORE)
        noun = "line" if len(lines) == len(self.also) == 1 else "lines"
        where = f", {noun} {', '.join(lines)}" if lines else ""
        return f" (and {self.count - 1} more of the same{where})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestWarning(Problem):
    """A likely mistake in a manifest; it stops nothing, except with ``--strict``.

    In a table, :attr:`column` is the number of the column, counted from 1.
    """

    kind: str  #: such as ``white_space``, ``local_path``, ``untyped``: 'batchrun help --schema' has them all
    value: str | None = None  #: as shown in messages: quoted, cut, invisible characters as ``<U+00A0>``

    __str__ = Problem.__str__


def _ranges(lines: Sequence[int]) -> list[str]:
    """Return ascending lines as ranges: 2-4, 9."""
    runs: list[tuple[int, int]] = []
    for line in lines:
        if runs and line == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], line)
        else:
            runs.append((line, line))
    told = [str(first) if first == last else f"{first}-{last}" for first, last in runs[:_RANGES]]
    return told if len(runs) <= _RANGES else [*told, _MORE]


class ManifestError(InputError):
    """A manifest that cannot be used, with its problems in the order of the file.

    ``problems`` has them up to a limit; ``total`` counts all. ``warnings`` were found beside them; with
    ``--strict`` they are among the problems.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        total: int | None = None,
        *,
        warnings: Sequence[ManifestWarning] = (),
    ) -> None:
        self.problems = tuple(problems)
        self.total = len(self.problems) if total is None else total
        self.warnings = tuple(warnings)
        super().__init__(self._message())

    def _message(self) -> str:
        lines = [str(problem) for problem in self.problems]
        if self.total > len(self.problems):
            lines.append(f"... and {self.total - len(self.problems)} more")
        return "\n".join(lines)


class ChangedRowsError(InputError):
    """Rows whose content is not what was submitted under their id.

    ``changes`` has the known differences of some of them, by id; ``active`` counts those whose runs are not
    over; ``cure`` undoes the change, where its cause is known.
    """

    def __init__(
        self,
        ids: Sequence[str],
        total: int,
        changes: Mapping[str, Sequence[object]] | None = None,
        *,
        active: int = 0,
        cure: str | None = None,
    ) -> None:
        self.ids = tuple(ids)
        self.total = total
        self.changes = changes or {}
        self.active = active
        shown = ", ".join(map(self._shown, self.ids)) + (", ..." if total > len(self.ids) else "")
        rows = "row has" if total == 1 else "rows have"
        super().__init__(
            f"{total} {rows} changed since submission: {shown}; {f'{cure}, or ' if cure else ''}"
            "use --changed keep to go on with what was submitted, "
            "or --changed resubmit to start new runs with the new content"
            + (f"; {goes_on(active)}: 'batchrun cancel --ids ID,...' ends runs first" if active else "")
        )

    def _shown(self, entry_id: str) -> str:
        changes = self.changes.get(entry_id, ())
        more = f", and {len(changes) - _CHANGES} more" if len(changes) > _CHANGES else ""
        return f"{entry_id} ({', '.join(map(str, changes[:_CHANGES]))}{more})" if changes else entry_id


def goes_on(active: int) -> str:
    """Return what becomes of the runs of so many changed rows that are not over."""
    if active == 1:
        return "1 row has a run that is not over, and goes on beside the new one"
    return f"{active} rows have runs that are not over, and go on beside the new ones"


class RenamedRowsError(InputError):
    """Rows that were sent under other ids; ``pairs`` has the old and the new id of some of them.

    They are new by their ids, and would be sent a second time.
    """

    def __init__(self, pairs: Sequence[tuple[str, str]], total: int) -> None:
        self.pairs = tuple(pairs)
        self.total = total
        shown = ", ".join(f"'{old}' is '{new}' now" for old, new in self.pairs[:_SHOWN_PAIRS])
        were = "row was started under another id" if total == 1 else "rows were started under other ids"
        super().__init__(
            f"{total} {were}: {shown}"
            f"{', ...' if total > _SHOWN_PAIRS else ''}; give them the ids that they had (a spreadsheet "
            "makes 001 a 1), or use --changed resubmit to run them again under the new ids"
        )


class LedgerUnusableError(InputError):
    """The ledger's path cannot be opened, is not a ledger, or is newer than this batchrun."""


class BatchClosedError(InputError):
    """The batch was moved to another ledger, or is a read-only copy; nothing was changed."""


class LeaseError(BatchrunError):
    """Another launcher works on the batch."""


class LeaseHeldError(LeaseError):
    """Another launcher holds the batch; nothing was done."""


class LeaseLostError(LeaseError):
    """The lease expired and another launcher took over the batch; nothing more may be written."""


class ServiceError(BatchrunError):
    """The service, or the way to it, failed."""


class CallError(ServiceError):
    """One call to the service failed.

    Raised only as one of its subclasses, which say what the failure means for the entry.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str,
        code: str,
        status: int | None = None,
        service_request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.message = message
        self.operation = operation  #: the API's name, such as ``StartRun``
        self.code = code  #: the service's error code, or the name of the client-side failure
        self.status = status  #: HTTP status; None where no answer arrived
        self.service_request_id = service_request_id  #: what AWS support asks for
        self.retry_after = retry_after  #: seconds the service asked us to wait
        self.is_doubtful = False  #: an earlier try with the same requestId may have taken effect
        super().__init__(f"{operation}: {code}: {message}")


class ThrottledError(CallError):
    """The service refused the call because of the rate of calls; it had no effect."""


class QuotaExceededError(CallError):
    """HTTP 402: a quota is full; this is temporary, so the same request is sent again much later."""


class ConflictError(CallError):
    """HTTP 409: for StartRun most likely an earlier call with the same requestId is in flight."""


class RefusedError(CallError):
    """The request as it is will never be accepted."""


class NotFoundError(RefusedError):
    """HTTP 404: for GetRun, the run was removed."""


class AccessDeniedError(CallError):
    """HTTP 403: the caller's identity lacks a permission."""


class CredentialsError(CallError):
    """There are no credentials, or the service does not accept them (any more)."""


class OutcomeUnknownError(CallError):
    """No answer shows whether the call had an effect: timeout, reset, 5xx, or an unreadable answer."""


class NotSentError(OutcomeUnknownError):
    """The call came too late to be sent; only an earlier try may have had an effect."""


class ServiceUnusableError(ServiceError):
    """The launch stops: no credentials, no permission, or no answers. Nothing is lost."""


class MayNotStartError(ServiceUnusableError):
    """A permission to start runs is lacking, or to learn what that needs; runs can still be looked at."""


def why_not_listened(error: OSError | UnicodeError) -> str:
    """Return in the system's words why nobody can listen there; asyncio has them within its own."""
    if isinstance(error, OSError) and (error.errno or 0) > 0:  # others are the resolver's
        return os.strerror(error.errno or 0)
    return str(error.strerror or error) if isinstance(error, OSError) else str(error)


class StorageError(BatchrunError):
    """A file of batchrun's cannot be written any more."""


class LedgerError(StorageError):
    """An open ledger cannot be read or written any more; work stops before anything is lost."""


class SnapshotLostError(LedgerError):
    """The connection with a snapshot of the ledger was lost; reading can be repeated from the start."""


class ResultsError(StorageError):
    """The results cannot be written; the ledger has everything that would be in them."""

    def __init__(self, path: object, cause: OSError | InputError) -> None:
        self.path = path
        if isinstance(cause, LedgerUnusableError):  # it has a cure of its own
            what, cure = f": {cause}", ""
        elif isinstance(cause, InputError):  # it names the place, and another
            what, cure = f": {cause}", "; nothing is lost: 'batchrun results -o FILE' writes them"
        else:
            what = f" to {path}: {cause.strerror or cause}"
            cure = f"; nothing is lost: {_way_out(cause, 'results')}"
        super().__init__(f"the results cannot be written{what}{cure}")


class ReportError(StorageError):
    """The report cannot be written; the ledger has everything that would be in it."""

    def __init__(self, path: object, cause: OSError) -> None:
        self.path = path
        super().__init__(
            f"the report cannot be written to {path}: {cause.strerror or cause}; "
            f"nothing is lost: {_way_out(cause, 'report')}"
        )


def _way_out(cause: OSError, verb: str) -> str:
    if cause.errno in {errno.EMFILE, errno.ENFILE}:  # another place would not help
        return f"allow more open files ('ulimit -n'); then 'batchrun {verb}' writes them"
    return f"free the place, or give another with 'batchrun {verb} -o FILE'"


class DeliveryError(StorageError):
    """An output cannot be written to its place in S3; the ledger has everything that would be in it."""

    def __init__(self, place: str, reason: str, *, again: str) -> None:
        self.place = place
        super().__init__(
            f"{place} cannot be written: {reason}; nothing is lost: once that is fixed, {again} writes it"
        )


class NoticeError(BatchrunError):
    """A hook, webhook or topic did not accept a notice; the batch is not affected."""

    def __init__(self, reason: str, *, cure: str) -> None:
        self.reason = reason
        self.cure = cure
        super().__init__(f"{reason}; {cure}")


class InvariantError(BatchrunError):
    """A defect of batchrun; the message has the history that led to it."""
