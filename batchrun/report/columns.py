"""The columns of the results, and choosing rows and columns of them.

    id    status    parameters.reads    tags.family    storageType    taskReason
    status=FAILED    id=NA12*    failureReason!=*MEMORY*    parameters.reads=*lane1*

Belongs here: names and order of columns, the values of those that are written on request only, and the syntax
of a choice. Does not: the values of the usual columns (``results``), asking the ledger (``chosen``).
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

ResultsRow = dict[str, "Json"]  #: values by the names of columns
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
#: Separates the reasons in ``taskReason``, each of which is there once.
TASK_REASON: Final = "taskReason"
TASK_REASONS_BETWEEN: Final = "; "
#: Tables of a row's request, whose keys are columns: ``parameters.reads``.
TABLES: Final = ("parameters", "tags")
#: StartRun fields that are columns on request, without those that are usual columns.
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
    """Report whether *name* is a column on request; a parameter or tag need only be possible."""
    return name == TASK_REASON or name in FIELDS or bool(_key(name))


_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def table_columns(request: Mapping[str, Json]) -> list[str]:
    """Return the columns for the parameters and tags of *request*."""
    return [f"{table}.{key}" for table in TABLES for key in _table(request, table)]


def cells(names: Collection[str], request: Mapping[str, Json], tasks: FailedTasks | None) -> dict[str, Json]:
    """Return an attempt's values of the columns *names*; missing ones are None."""
    return {name: _cell(name, request, tasks) for name in names}


def text_of(value: Json) -> str | None:
    """Return a value as text, as in a CSV manifest: values that are not text become JSON; None stays None."""
    if value is None or isinstance(value, str):
        return value
    return str(value) if type(value) is int else _JSON.encode(value)


def asked_of(request: str, content: str) -> dict[str, Json]:
    """Return the StartRun fields of an attempt whose *request* was sent.

    Those that it lacks since it copies a run are taken from the manifest's *content*.
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
    """Return the key after the table in a name, dots included, as in the header of a manifest."""
    table, _, key = name.partition(".")
    return key if table in TABLES else ""


def _table(request: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    table = request.get(name)
    return table if isinstance(table, dict) else {}


STATUS: Final = "status"
#: Columns with the service's own words, matched in any case; the last one may have several words.
_OF_WORDS: Final = frozenset({STATUS, "failureReason", TASK_REASON})
#: Stands for all usual columns in a list of columns.
_USUAL: Final = "all"
#: All columns with fixed names.
KNOWN: Final = (*COLUMNS, TASK_REASON, *FIELDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A condition on a row; unknown values count as empty text."""

    columns: tuple[str, ...]  #: one of which must match
    glob: str  #: ``*``, ``?`` and ``[...]`` as in a shell; case matters, except for statuses and reasons
    is_wanted: bool = True  #: False for ``!=``

    def matches(self, row: Mapping[str, Json]) -> bool:
        """Report whether *row*, keyed by columns, meets the condition."""
        return any(self._is_like(name, text_of(row[name]) or "") for name in self.columns) is self.is_wanted

    def fits_word(self, word: str) -> bool:
        """Report whether the glob matches a word of the service's, in any case."""
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
    """Return the condition that the run, or a task of it, failed for a reason that matches *glob*."""
    return Condition(columns=("failureReason", TASK_REASON), glob=glob)


def read_columns(text: str) -> tuple[str, ...]:
    """Read the names of columns, with commas between; ``all`` stands for the usual ones."""
    parts = [part.strip() for part in text.split(",")]
    names = [name for part in parts for name in (COLUMNS if part == _USUAL else (column(part),))]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"column {twice} is given twice; name it once")
    return tuple(names)


def column(name: str) -> str:
    """Return *name* if results can have such a column. Raises UsageError with a suggestion."""
    if name in COLUMNS or is_own(name):
        return name
    known = (*KNOWN, "parameters.NAME", "tags.NAME")
    by_small = {one.lower(): one for one in known}
    near = get_close_matches(name.lower(), by_small, n=1)
    hint = f"did you mean {by_small[near[0]]}?" if near else f"the columns are: {', '.join(known)}"
    raise UsageError(f"the results have no column '{name}'; {hint}")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The part of the results that is written; all of them by default.

    Rows are chosen by their latest attempt. Earlier attempts are nested in their entry unless columns are
    chosen; a CSV, which cannot nest, has them only on request.
    """

    where: tuple[Condition, ...] = ()  #: an entry must satisfy each
    columns: tuple[str, ...] | None = None  #: in this order; None for the usual ones
    attempts: bool = False  #: write earlier attempts too, whatever the columns and format

    @property
    def names(self) -> tuple[str, ...]:
        """The columns to write."""
        return COLUMNS if self.columns is None else self.columns

    @property
    def own(self) -> tuple[str, ...]:
        """The columns on request that are written or used by conditions."""
        asked = [*self.names, *(name for condition in self.where for name in condition.columns)]
        return tuple(dict.fromkeys(name for name in asked if name not in COLUMNS))

    @property
    def nests_attempts(self) -> bool:
        """Whether formats that can nest attempts in their entry do so."""
        return self.attempts or self.columns is None

    def shows(self, latest: ResultsRow) -> bool:
        """Report whether an entry is written, by its latest row with the columns ``own``."""
        return all(condition.matches(latest) for condition in self.where)


#: All of the results.
WHOLE: Final = View()
