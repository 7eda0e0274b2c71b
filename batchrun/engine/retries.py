"""
Another attempt by itself, where a run failed and a rule asks for one.

Belongs here: asking the rules, with what the ledger has of earlier attempts. Does not: the rules
(``model.retrying``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from batchrun.engine.recorder import Recorder
    from batchrun.model.entry import Entry
    from batchrun.model.events import Retried
    from batchrun.model.retrying import RetryPolicy


class Retries:
    """The retry rules of a launch."""

    def __init__(self, policy: RetryPolicy, recorder: Recorder) -> None:
        self._policy = policy
        self._recorder = recorder

    async def after(self, failed: Entry, at: datetime) -> list[Retried]:
        """Return the event that begins another attempt of *failed*, a FAILED entry, if there is to be one."""
        if failed.run is None or self._policy.rule_for(failed.run) is None:
            return []
        earlier = [attempt.run for attempt in await self._recorder.earlier(failed)]
        retried = self._policy.after_failure(failed, earlier, at)
        return [] if retried is None else [retried]
