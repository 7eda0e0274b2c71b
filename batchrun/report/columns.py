"""
The columns of the results, and which part of the results is written: conditions on rows, and columns.

    id    status    parameters.reads    tags.family    storageType    taskReason
    status=FAILED    id=NA12*    failureReason!=*MEMORY*    parameters.reads=*lane1*

Belongs here: names and order of columns, what stands in those that are there only where they are asked for,
and how a choice is written. Does not: what stands in the usual ones (``results``), asking the ledger
(``chosen``).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from batchrun.errors import UsageError

if TYPE_CHECKING:
    from batchrun.model.spec import Json
    from batchrun.model.tasks import FailedTasks

ResultsRow = dict[str, "Json"]  #: what stands in the columns, by their names
#: A contract: names, order and meaning (design.md, 7). Names are the API's where it has one.
COLUMNS: Final = (
    "id",
    "status",
    "runId",
    "uuid",
    "runOutputUri",
    "attempt",
    "requestId",
    "name",
    "workflowId",
    "creationTime",
    "startTime",
    "stopTime",
    "failureReason",
    "statusMessage",
    "arn",
    "changed",
    "lane",
    "accountId",
    "region",
)
#: Why tasks of the run failed: each reason once, with this between.
TASK_REASON: Final = "taskReason"
TASK_REASONS_BETWEEN: Final = "; "
#: Tables of a row's request, whose keys are columns: ``parameters.reads``.
TABLES: Final = ("parameters", "tags")
#: StartRun fields that are columns as they are; those that the usual columns have are not among them.
FIELDS: Final = (
    "workflowType",
    "workflowOwnerId",
    "workflowVersionName",
    "roleArn",
    "outputUri",
    "outputUriPrefixMode",
    "parametersUri",
    "requesterPaysEnabled",
    "runGroupId",
    "priority",
    "storageType",
    "storageCapacity",
    "scratchStorageMode",
    "cacheId",
    "cacheBehavior",
    "retentionMode",
    "logLevel",
    "networkingMode",
    "configurationName",
    "sessionPolicy",
    "engineSettings",
    *TABLES,
)


def is_own(name: str) -> bool:
    """Report whether *name* is such a column; of a parameter or tag, whether it could be one."""
    return name == TASK_REASON or name in FIELDS or bool(_key(name))


_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def table_columns(request: Mapping[str, Json]) -> list[str]:
    """Name the columns that the parameters and tags of *request* are."""
    return [f"{table}.{key}" for table in TABLES for key in _table(request, table)]


def cells(names: Collection[str], request: Mapping[str, Json], tasks: FailedTasks | None) -> dict[str, Json]:
    """Return what stands in the columns *names* of an attempt; what it does not have is None."""
    return {name: _cell(name, request, tasks) for name in names}


def text_of(value: Json) -> str | None:
    """Write a cell as text, as a manifest in CSV has it: what is no text is JSON; None stays None."""
    if value is None or isinstance(value, str):
        return value
    return str(value) if type(value) is int else _JSON.encode(value)


def asked_of(request: str, content: str) -> dict[str, Json]:
    """
    Return what an attempt asked for.

    Args:
        request: Canonical, as it was sent.
        content: What the manifest asks for: an attempt that copies a run does not say it itself.
    """
    asked: dict[str, Json] = json.loads(request)
    return json.loads(content) | asked if "runId" in asked else asked


def _cell(name: str, request: Mapping[str, Json], tasks: FailedTasks | None) -> Json:
    if name == TASK_REASON:
        return _reasons(tasks)
    if key := _key(name):
        return _table(request, name.partition(".")[0]).get(key)
    return request.get(name)


def _reasons(tasks: FailedTasks | None) -> str | None:
    reasons = [task.failure_reason for task in tasks.tasks if task.failure_reason] if tasks else []
    return TASK_REASONS_BETWEEN.join(dict.fromkeys(reasons)) or None


def _key(name: str) -> str:
    """Return what follows the table in a name: one key, dots included, as in the header of a manifest."""
    table, _, key = name.partition(".")
    return key if table in TABLES else ""


def _table(request: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    table = request.get(name)
    return table if isinstance(table, dict) else {}


STATUS: Final = "status"
#: Columns that hold the service's own words, typed in any case; the last one several.
_OF_WORDS: Final = frozenset({STATUS, "failureReason", TASK_REASON})
#: Stands for the usual columns in a list of columns.
_USUAL: Final = "all"
#: All columns that have a name of their own.
KNOWN: Final = (*COLUMNS, TASK_REASON, *FIELDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing that a row must be, or must not be; what is not known counts as empty text."""

    columns: tuple[str, ...]  #: one of which must match
    glob: str  #: ``*``, ``?`` and ``[...]`` as in a shell; case counts, but for statuses and reasons
    is_wanted: bool = True  #: False for ``!=``

    def matches(self, row: Mapping[str, Json]) -> bool:
        """Report whether *row*, keyed by columns, is as this condition wants it."""
        return any(self._is_like(name, text_of(row[name]) or "") for name in self.columns) is self.is_wanted

    def fits_word(self, word: str) -> bool:
        """Report whether this condition's glob fits a word of the service's, in whatever case."""
        return fnmatchcase(word.casefold(), self.glob.casefold())

    def _is_like(self, name: str, text: str) -> bool:
        if name not in _OF_WORDS:
            return fnmatchcase(text, self.glob)
        return any(self.fits_word(word) for word in text.split(TASK_REASONS_BETWEEN))


def read_condition(text: str) -> Condition:
    """Read ``COLUMN=GLOB`` or ``COLUMN!=GLOB``."""
    left, equals, glob = text.partition("=")
    name = left.removesuffix("!").strip()
    if not equals or not name:
        raise UsageError(
            f"'{text}' is not a condition; write COLUMN=GLOB or COLUMN!=GLOB, as in status=FAILED"
        )
    return Condition(columns=(column(name),), glob=glob.strip(), is_wanted=not left.endswith("!"))


def failed_of(glob: str) -> Condition:
    """Return the condition that the run, or a task of it, failed for a reason like *glob*."""
    return Condition(columns=("failureReason", TASK_REASON), glob=glob)


def read_columns(text: str) -> tuple[str, ...]:
    """Read the names of columns, with commas between; ``all`` stands for the usual ones."""
    parts = [part.strip() for part in text.split(",")]
    names = [name for part in parts for name in (COLUMNS if part == _USUAL else (column(part),))]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"column {twice} is given twice; name it once")
    return tuple(names)


def column(name: str) -> str:
    """Return *name* where the results may have such a column. Raises UsageError, with a suggestion."""
    if name in COLUMNS or is_own(name):
        return name
    known = (*KNOWN, "parameters.NAME", "tags.NAME")
    by_small = {one.lower(): one for one in known}
    near = get_close_matches(name.lower(), by_small, n=1)
    hint = f"did you mean {by_small[near[0]]}?" if near else f"the columns are: {', '.join(known)}"
    raise UsageError(f"the results have no column '{name}'; {hint}")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """
    Which part of the results is written; all of it by default.

    Rows are chosen by their latest attempt. Earlier attempts are part of their entry, except where only some
    columns are wanted; a CSV, which cannot nest, has them only where they are asked for.
    """

    where: tuple[Condition, ...] = ()  #: an entry must satisfy each
    columns: tuple[str, ...] | None = None  #: in this order; None for the usual ones
    attempts: bool = False  #: earlier attempts too, whatever the columns and the format

    @property
    def names(self) -> tuple[str, ...]:
        """The columns to write."""
        return COLUMNS if self.columns is None else self.columns

    @property
    def own(self) -> tuple[str, ...]:
        """Those beside the usual columns that are written or looked at."""
        asked = [*self.names, *(name for condition in self.where for name in condition.columns)]
        return tuple(dict.fromkeys(name for name in asked if name not in COLUMNS))

    @property
    def nests_attempts(self) -> bool:
        """Whether a format that can nest attempts within their entry does so."""
        return self.attempts or self.columns is None

    def shows(self, latest: ResultsRow) -> bool:
        """Report whether an entry is to be written, by its latest row with the columns ``own``."""
        return all(condition.matches(latest) for condition in self.where)


#: All of the results.
WHOLE: Final = View()
