"""Looking at one manifest: texts come in, warnings come out.

A role is compared with the account of the lane that its row goes to: StartRun passes ``roleArn`` on, and a
role can only be passed within its own account (IAM user guide, iam:PassRole). It is a warning, since the
lane's account may be the wrong one.

A row that computes the same as one before it, such as a line that was copied and given another id, is told
of, unless the two name the same reads, which is told already (``known``). Of each work 64 bits of a hash are
kept, and the id of its first row, which is kept anyway.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

from batchrun.manifest import limits
from batchrun.manifest.parts import Record
from batchrun.manifest.placeholders import names_in
from batchrun.manifest.problems import Place, shown
from batchrun.manifest.recognised.kinds import is_reads
from batchrun.manifest.scalars import as_text
from batchrun.manifest.table import Table
from batchrun.manifest.warned.found import Collected, Doubt, WarningKind, Warnings, WatchedColumn
from batchrun.manifest.warned.known import Known, is_shared
from batchrun.manifest.warned.scan import DocumentTexts, TableTexts, Used
from batchrun.manifest.warned.texts import bare
from batchrun.manifest.warned.untyped import Cure
from batchrun.model.entries.retrying import LANE
from batchrun.model.lanes import Lane
from batchrun.model.spec import Json, canonical

FIELD: Final = "roleArn"
_ACCOUNT: Final = re.compile(r"arn:[a-z-]+:iam::([0-9]{12}):", re.ASCII)
_SAME_CURE: Final = (
    "give each row its own parameters, such as a text with {id}, or remove it; runs that are repeated on "
    "purpose are accepted with a tag that tells them apart, such as tags.replicate"
)


_CASE_CURE: Final = "write both alike if they are one; ignore this if they are two"


class LaneRoles:
    """Compares the role of each row with the accounts of its lanes."""

    def __init__(self, lanes: Sequence[Lane], found: Collected) -> None:
        """Take the lanes; those with neither an account nor a role to assume are not checked."""
        self._accounts = {lane.name: lane.account or _account(lane.role) for lane in lanes}
        self._found = found
        self._column = WatchedColumn(name=FIELD)
        self._known: dict[tuple[str, str], Doubt | None] = {}

    def look(self, lane: str, role: str, record: Record, row: str) -> None:
        """Check the role of one row in one lane."""
        key = lane, role
        if key not in self._known:
            self._known[key] = self._doubt(lane, role)
        if doubt := self._known[key]:
            self._found.add(doubt, self._column, record.place_of((FIELD,)), text=role, row=row)

    def _doubt(self, lane: str, role: str) -> Doubt | None:
        account, own = self._accounts[lane], _account(role)
        if None in {account, own} or account == own:
            return None
        says = (
            f"is of account {own}, and lane {lane} of {account}: roles are passed in their own account alone"
        )
        cure = f"give lane {lane} a role of its own: set: {{roleArn: arn:aws:iam::{account}:role/NAME}}"
        return Doubt(WarningKind.OTHER_ACCOUNT, says, cure, is_one=True)


def _account(role: str | None) -> str | None:
    match = _ACCOUNT.match(role or "")
    return match[1] if match else None


class Works:
    """What the rows have asked for so far."""

    def __init__(self, found: Collected) -> None:
        self._found = found
        self._column = WatchedColumn(name="id", is_id=True)
        self._first: dict[int, str] = {}  #: the id of the first row, by a hash of its work
        self._ids: set[int] = set()  #: hashes of ids without capitals

    def look(self, work: bytes, entry_id: str, record: Record) -> None:
        """Check a row that passed all checks against those before; *work* is a digest of what it computes."""
        self._look_at_id(entry_id, record)
        key = hash((work, _apart(entry_id, record)))
        first = self._first.get(key)
        if first is None:
            if len(self._first) < limits.FILES:
                self._first[key] = entry_id
        elif not _has_reads(record.fields.get("parameters"), ""):
            says = f"asks for the very same as {shown(first)}, but for its id, name, output and tags"
            doubt = Doubt(WarningKind.SAME_WORK, says, _SAME_CURE, cause="same")
            self._found.add(doubt, self._column, record.place_of(("id",)), text=entry_id, row=entry_id)

    def _look_at_id(self, entry_id: str, record: Record) -> None:
        """Record a doubt about an id that differs from another's in capitals alone, as of a split sample."""
        key = hash(entry_id.casefold())
        if key in self._ids:
            says = "is the id of an earlier row but for its capitals, and becomes a run of its own"
            doubt = Doubt(WarningKind.LOOK_ALIKE, says, _CASE_CURE, cause="case")
            self._found.add(doubt, self._column, record.place_of(("id",)), text=entry_id, row=entry_id)
        elif len(self._ids) < limits.FILES:
            self._ids.add(key)


def _apart(entry_id: str, record: Record) -> str:
    """Return what tells rows apart on purpose, without the id: lanes, and tags of their own."""
    told: dict[str, Json] = {name: record.fields[name] for name in (LANE, "tags") if name in record.fields}
    return canonical(told).replace(canonical(entry_id)[1:-1], "") if told else ""


def _has_reads(value: Json, name: str) -> bool:
    """Report whether a value has reads that are told of as soon as another row has them."""
    if isinstance(value, dict):
        return any(_has_reads(part, f"{name}.{key}") for key, part in value.items())
    if isinstance(value, list):
        return any(_has_reads(part, name) for part in value)
    return isinstance(value, str) and is_reads(bare(value)) and not (names_in(value) or is_shared(name))


class Looking:
    """Checks one manifest for likely mistakes, before placeholders are filled in."""

    def __init__(self, today: date) -> None:
        self._known = Known(today)
        self.works = Works(self._known.found)
        self._tables: list[TableTexts] = []

    def warnings(self) -> Warnings:
        """Return the warnings, after all rows were seen."""
        for rows in self._tables:
            rows.flush()
        self._known.close()
        return self._known.found.warnings()

    def table(self, table: Table, uses: Sequence[Used]) -> TableTexts:
        """Return a checker of a table's rows, for the columns that are used."""
        self._tables.append(TableTexts(self._known, table, uses))
        return self._tables[-1]

    def noted(self, records: Iterator[Record]) -> Iterator[Record]:
        """Return the records, checking each that is from a document; cells of tables were checked before."""
        for record in records:
            if not record.is_of_cells:
                number = self._known.files.begin((record.place.line or 0,), record.place.source)
                DocumentTexts(self._known, record, as_text(record.fields.get("id")), number=number).look()
            yield record

    def shared(self, record: Record) -> None:
        """Check what all rows share: defaults, and the template of a sheet."""
        DocumentTexts(self._known, record, None, number=None).look()

    def roles(self, lanes: Sequence[Lane]) -> LaneRoles:
        """Return a checker of the rows' roles, in each lane."""
        return LaneRoles(lanes, self._known.found)

    def option(self, name: str, text: str, place: Place, cure: Cure) -> None:
        """Check a parameter that an option gives without a type."""
        column = WatchedColumn(name=name, is_parameter=True)
        types = self._known.types(column, place.source, cure)
        if not types.is_number(text, None, None) and text and (doubt := types.written(text)):
            self._known.found.add(doubt, column, place, text=text, row=None)

    def told(self, doubt: Doubt, name: str, text: str, place: Place) -> None:
        """Record a doubt about a parameter that an option gives."""
        self._known.found.add(doubt, WatchedColumn(name=name, is_parameter=True), place, text=text, row=None)
