"""Rows that come from outside, in a transaction that may have to be run again from its start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from batchrun.errors import InvariantError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batchrun.model.spec import Spec


def begun(specs: Iterable[Spec]) -> Iterator[Spec]:
    """
    Begin with *specs* once more.

    Raises:
        InvariantError: They can be gone through but once: the second time all rows would seem to be gone.
    """
    if isinstance(specs, Iterator):
        raise InvariantError("rows that can be gone through but once were given to the ledger")
    return iter(specs)
