"""How a verb reaches the runs of one batch, wherever they are, without launching it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batchrun.engine.denied import not_permitted
from batchrun.errors import AccessDeniedError, ServiceUnusableError
from batchrun.model.lanes import or_home

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchrun.errors import CallError
    from batchrun.ports.service import HealthOmics


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The services of a batch by lane: one without a name in a batch that has no lanes."""

    services: Mapping[str | None, HealthOmics]
    home: str | None = None  #: the lane of what was sent before the batch had lanes
    stopped: Mapping[str, ServiceUnusableError] = field(default_factory=dict)  #: lanes that cannot be used

    def of(self, lane: str | None) -> HealthOmics:
        """
        Return the service that knows the runs of *lane*.

        Raises:
            ServiceUnusableError: It cannot be used, or nobody said how to reach it.
        """
        name = or_home(lane, self.home)
        if name in self.services:
            return self.services[name]
        if name is not None and name in self.stopped:
            raise ServiceUnusableError(f"lane {name}: {self.stopped[name]}")
        raise ServiceUnusableError(f"nothing says how lane {name} is reached; give --lanes FILE that has it")

    def why_not(self, error: CallError | ServiceUnusableError) -> str:
        """
        Return why a call for one run came to nothing, in words.

        Raises:
            ServiceUnusableError: No other run can be asked for: its lane is the only one, and cannot be used.
        """
        if not isinstance(error, AccessDeniedError | ServiceUnusableError):
            return f"{error.code}: {error.message}"
        if None in self.services:
            is_denied = isinstance(error, AccessDeniedError)
            raise not_permitted(error.operation, error) if is_denied else error
        return str(error)
