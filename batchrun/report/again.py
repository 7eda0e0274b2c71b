"""Reading a batch anew from its start, where the connection that showed one state of it was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from batchrun.errors import SnapshotLostError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")
#: Times that it is begun, before the network is taken for no network.
_TIMES: Final = 5


async def begun_again(job: Callable[[], Awaitable[T]]) -> T:
    """
    Return what *job* returns, which reads a batch's outcomes and leaves nothing behind where it fails.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    for _ in range(1, _TIMES):
        try:
            return await job()
        except SnapshotLostError as error:
            import structlog  # noqa: PLC0415 (most who read a ledger log nothing)

            structlog.get_logger(__name__).info("read_again", why=str(error))
    return await job()
