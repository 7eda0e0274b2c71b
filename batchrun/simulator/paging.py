"""
Tokens for the next page: places in an order that does not change.

What does not belong here: the order.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

from batchrun.simulator.refusal import invalid


def token_of(position: int) -> str:
    """Write a token."""
    return urlsafe_b64encode(json.dumps([position]).encode()).decode()


def position_of(token: str) -> int:
    """
    Read a token.

    Raises:
        RefusalError: it is not one that was handed out.
    """
    try:
        (position,) = json.loads(urlsafe_b64decode(token.encode()))
        return int(position)
    except (ValueError, TypeError) as error:
        raise invalid("startingToken is not one that was handed out") from error
