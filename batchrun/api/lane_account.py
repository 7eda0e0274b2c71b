"""
Whose a lane is: the account that it is said to be in, held against whose its login is.

Belongs here: that, and how many lanes are asked whose they are at once, for whoever calls a lane. Does not:
asking whose login it is (``service.calling.caller``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from batchrun.service.client import AwsHealthOmics

#: Lanes that are connected to side by side. Each has several clients made, which takes all of a processor for
#: a while: with many more at once, answers that have come are read when nobody waits for them any more.
AT_ONCE: Final = 8


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
