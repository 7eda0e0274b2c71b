# ruff: noqa: D102 - what each method promises stands in the contract, ports.call_paces
"""How fast one account's operations are called."""

from __future__ import annotations

from collections.abc import Mapping

from batchrun.model.paces.handing_on import Learned
from batchrun.ports.call_paces import CallPaces, SharedPaces
from batchrun.service.calling.calls import Calls
from batchrun.service.quota import start_run_quota


class AwsCallPaces(CallPaces):
    """The paces of some calls, and the account's quota where that may be read."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._turns = calls.turns

    async def recall(self, learned: Mapping[str, Learned], *, will_start: bool = True) -> None:
        async with self._turns.one_recall:
            self._turns.recall(learned)
            if will_start and "StartRun" not in learned and self._turns.wants_quota("StartRun"):
                quota = await start_run_quota(self._calls.login, self._calls.endpoint)
                self._turns.know_quota("StartRun", quota)

    def share(self, paces: SharedPaces) -> None:
        self._turns.share(paces, lambda: self._calls.place)

    def learned(self) -> Mapping[str, Learned]:
        return self._turns.learned()

    def known_rate(self, operation: str) -> float:
        return self._turns.known_rate(operation)
