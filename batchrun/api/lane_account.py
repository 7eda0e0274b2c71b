"""
Whose a lane is: the account that it is said to be in, held against whose its login is.

Belongs here: that, for whoever calls a lane. Does not: asking whose login it is (``service.caller``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchrun.service.client import AwsHealthOmics


def why_not(service: AwsHealthOmics, account: str | None) -> str | None:
    """
    Return why a lane of *account* cannot be called with this login; None where nothing is known against it.

    From then on no other account's answers count.
    """
    if account is not None and service.number not in {None, account}:
        return (
            f"{service.login.place} is of account {service.number}, and the lane is of account {account}; "
            "nothing is sent there: give the lane the profile or role of its account"
        )
    service.expect(account)
    return None
