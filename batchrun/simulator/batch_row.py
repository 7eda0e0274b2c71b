"""
What goes wrong with a row while the service works on it, by the rules in force.

What does not belong here: what can (``faults``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.simulator.faults import Fault, RowFault
from batchrun.simulator.refusal import RefusalError

if TYPE_CHECKING:
    from batchrun.simulator.batch_account import Account
    from batchrun.simulator.batches import Batch, Row


def struck(account: Account, step: str, batch: Batch, row: Row) -> RowFault | None:
    """
    Return what strikes *row* in a step such as SubmitRow; None for nothing.

    Raises:
        RefusalError: a service error strikes it.
    """
    name = str(row.setting.get("name") or batch.default.get("name") or "")
    fault = account.faults.choose(step, f"{batch.uuid}/{row.setting_id}", name)
    if isinstance(fault, RowFault):
        return fault
    if fault != Fault.PASS:
        raise RefusalError(str(fault), f"{fault}, by the simulator's settings")
    return None
