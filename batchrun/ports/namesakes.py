"""
What a ledger says of a manifest that may be another than the batch of its name, or the same as another batch.

Belongs here: this part of the ledger's contract. Does not: what follows from it (``model.namesakes``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batchrun.model.spec import Spec


class Namesakes(ABC):
    """
    Rows beside what the ledger has, by their work (:func:`batchrun.model.spec.work_of`). Nothing is written.

    *specs* is consumed in the ledger's own thread and must not touch the event loop.
    """

    @abstractmethod
    async def rows_as_known(self, batch: str, specs: Iterable[Spec]) -> int:
        """Count the rows that *batch* has under their ids, with the same work or one that nobody knows."""

    @abstractmethod
    async def rows_elsewhere(self, batch: str, specs: Iterable[Spec]) -> Mapping[str, int]:
        """
        Count, by batch other than *batch*, the rows whose work stands there too.

        Under the same id; or under any, where no other of *specs* and no other row there asks for that work.
        What failed, was cancelled or refused, or left the manifest unsent does not stand there. Batches
        without such rows are left out, and those of which no run can be anywhere.
        """
