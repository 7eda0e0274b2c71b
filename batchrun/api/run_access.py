"""The login and the place of a run's lane, for what AWS keeps of runs beside HealthOmics: files and logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.errors import InvariantError
from batchrun.service.client import AwsHealthOmics

if TYPE_CHECKING:
    from batchrun.engine.reach import Reach


def access(reach: Reach, lane: str | None) -> AwsHealthOmics:
    """
    Return the HealthOmics that has the runs of *lane*, with its login.

    Raises:
        ServiceUnusableError: It cannot be used, or nobody said how to reach it.
    """
    service = reach.of(lane)
    if not isinstance(service, AwsHealthOmics):
        raise InvariantError(f"lane {lane} is reached without a login")
    return service
