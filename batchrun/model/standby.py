"""When whoever waits for a batch looks next at who holds it."""

from __future__ import annotations

from typing import Final

#: Seconds between two looks: so soon it is seen that a lease was released, or its launcher died on this host.
_EVERY: Final = 2.0
#: The same once the lease should be over: by its own clock the ledger may see that a little later.
_SHORTLY: Final = 0.25


def next_look(left: float) -> float:
    """Return the seconds until the next look at a lease with *left* seconds by a clock that may be off."""
    return min(_EVERY, max(left, _SHORTLY))
