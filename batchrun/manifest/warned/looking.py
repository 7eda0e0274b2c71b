"""
Looking at one manifest: texts come in, warnings come out.

A role is compared with the account of the lane that its row goes to: StartRun passes ``roleArn`` on, and a
role can only be passed within its own account (IAM user guide, iam:PassRole). It is a warning, since the
lane's account may be the wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

from batchrun.manifest.problems import Place, Record
from batchrun.manifest.scalars import as_text
from batchrun.manifest.table import Table
from batchrun.manifest.warned.found import Collected, Doubt, WarningKind, Warnings, WatchedColumn
from batchrun.manifest.warned.known import Known
from batchrun.manifest.warned.scan import DocumentTexts, TableTexts, Used
from batchrun.manifest.warned.untyped import Cure
from batchrun.manifest.warned.work import Works
from batchrun.model.lanes import Lane

FIELD: Final = "roleArn"
_ACCOUNT: Final = re.compile(r"arn:[a-z-]+:iam::([0-9]{12}):", re.ASCII)


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
        return Doubt(kind=WarningKind.OTHER_ACCOUNT, says=says, cure=cure, is_one=True)


def _account(role: str | None) -> str | None:
    match = _ACCOUNT.match(role or "")
    return match[1] if match else None


class Looking:
    """Checks one manifest for likely mistakes, before placeholders are filled in."""

    def __init__(self, today: date) -> None:
        self._known = Known(today)
        self._works = Works(self._known.found)
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

    def work(self, work: bytes, entry_id: str, record: Record) -> None:
        """Check a row that passed all checks against those before; *work* is a digest of what it computes."""
        self._works.look(work, entry_id, record)

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
