"""The queues that wake a launch, each connected with the logins that may read it.

A queue that lanes name is read with their logins, one that the command names with the command's; lanes that
name the same queue share it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batchrun.engine.parts import LaneLink, WakeLink
from batchrun.model.lanes import Lane
from batchrun.model.planning.limits import Mode
from batchrun.model.texts.queue_names import QueueName, read_queue

if TYPE_CHECKING:
    from batchrun.clock import Clock
    from batchrun.manifest import Manifest
    from batchrun.service.login import Login


@dataclass(slots=True, kw_only=True)
class AskedQueue:
    """One queue, and whose logins read it."""

    queue: QueueName
    lanes: list[Lane] = field(default_factory=list)  #: those that name it, in their order
    is_of_command: bool = False  #: whether the command names it, for whichever lane
    is_given: bool = True  #: as :attr:`WakeLink.is_given`

    @property
    def askers(self) -> Sequence[Lane | None]:
        """Whose logins may read it, in the order to try; None is the command's."""
        return [*([None] if self.is_of_command else []), *self.lanes]


def queues_of(
    manifest: Manifest, links: Sequence[LaneLink], named: Sequence[str], mode: Mode
) -> Sequence[AskedQueue]:
    """Return each queue of a launch once; none if it does not watch to the end, or has nothing to do.

    *links* are the lanes that can be used, *named* the ``sqs:URL`` of those that the command names.
    """
    if mode is not Mode.WATCH or not links:
        return ()
    found: dict[str, AskedQueue] = {}
    for queue in map(read_queue, named):
        found[queue.url] = AskedQueue(queue=queue, is_of_command=True)
    usable = {link.name for link in links}
    is_given = manifest.lane_texts is not None and manifest.lane_texts.source is not None
    for lane in manifest.lanes:
        if lane.wake is not None and lane.name in usable:
            asked = found.setdefault(lane.wake.url, AskedQueue(queue=lane.wake, is_given=is_given))
            asked.lanes.append(lane)
    return list(found.values())


@asynccontextmanager
async def waking(
    queues: Sequence[AskedQueue], login: Callable[[Lane | None], Login], clock: Clock
) -> AsyncIterator[Sequence[WakeLink]]:
    """Connect to queues, without calling them yet."""
    if not queues:
        yield ()
        return
    from batchrun.service.messages import sqs_queue  # noqa: PLC0415 (for the few who need it)

    def wall() -> float:
        return clock.utcnow().timestamp()

    async with AsyncExitStack() as stack:
        yield [
            WakeLink(
                queues=[
                    await stack.enter_async_context(sqs_queue(login(lane), one.queue, wall=wall))
                    for lane in one.askers
                ],
                lanes=None if one.is_of_command else frozenset(lane.name for lane in one.lanes),
                is_given=one.is_given,
            )
            for one in queues
        ]
