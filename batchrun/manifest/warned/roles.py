"""The role of a row, compared with the account of the lane that the row goes to.

StartRun passes ``roleArn`` on, and a role can only be passed within its own account (IAM user guide,
iam:PassRole). It is a warning, since the lane's account may be the wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from batchrun.manifest.parts import Record
from batchrun.manifest.warned.found import Collected, Doubt, WarningKind, WatchedColumn
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
        return Doubt(WarningKind.OTHER_ACCOUNT, says, cure, is_one=True)


def _account(role: str | None) -> str | None:
    match = _ACCOUNT.match(role or "")
    return match[1] if match else None
