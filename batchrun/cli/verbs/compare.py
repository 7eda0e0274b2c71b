"""
What ``batchrun ledger verify --online`` does: hold a ledger against the service, batch by batch.

Belongs here: which batches, what is written of what was found, and the words. Does not: options (``ledger``),
looking (``engine.comparing``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.api.first_look import give_back
from batchrun.api.reading import find_batch
from batchrun.cli.calling import login_of, opening
from batchrun.cli.choice import tell_back
from batchrun.cli.exits import Exit, worst
from batchrun.cli.speak import complain, emit, say
from batchrun.cli.wording import printable
from batchrun.clock import SystemClock
from batchrun.engine.comparing import Divergence, compare
from batchrun.model.states import State
from batchrun.report.chosen import shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrun.api.first_look import FirstLook
    from batchrun.api.objects import OneLogin
    from batchrun.cli.calling import Calling
    from batchrun.ports.ledger import Ledger
    from batchrun.ports.stored import Batch


async def compare_online(told: Calling, name: str | None) -> Exit:
    """
    Compare the batch of this *name*, or each, with the service; runs that are there after all get their rows.

    Returns:
        WORK_LEFT where something is left for 'batchrun run' or for a second try.

    Raises:
        UsageError, ServiceUnusableError: The service cannot be asked.
    """
    login = login_of(told)
    async with opening(told, login) as opened:
        ledger = await opened.ledger()
        batches = await ledger.batches() if name is None else [await find_batch(ledger, name)]
        codes = [await _compare(ledger, batch, login, told) for batch in batches]
    return worst([Exit.OK, *codes])


async def _compare(ledger: Ledger, batch: Batch, login: OneLogin, told: Calling) -> Exit:
    # Each batch's runs are in its own region; one that is named is the user's word.
    async with opening(told, login, region=batch.region) as opened:
        reach = await opened.reach_of(batch)
        found = await compare(ledger.batch(batch.name), reach=reach, at_once=told.concurrency)
    looked = await give_back(ledger, batch, found.deleted, at=SystemClock().utcnow())
    tell_back(looked, is_done=True)
    (_emit if told.output.as_json else _tell)(batch.name, found, looked)
    return Exit.WORK_LEFT if _is_work_left(found, looked) else Exit.OK


def _is_work_left(found: Divergence, looked: FirstLook) -> bool:
    is_back = any(entry.state is State.ACTIVE for entry in looked.back.values())
    left = (found.ended, found.missing, found.doubtful, found.unknown, found.elsewhere)
    return is_back or any(left)


def _emit(batch: str, found: Divergence, looked: FirstLook) -> None:
    emit(
        "online",
        batch=batch,
        going=found.going,
        ended=dict(found.ended),
        missing=found.missing,
        reappeared=list(looked.back),
        gone=found.gone,
        doubtful=found.doubtful,
        started_elsewhere=found.elsewhere,
        unknown=found.unknown,
    )


def _tell(batch: str, found: Divergence, looked: FirstLook) -> None:
    there = len(looked.back)
    numbers = {
        "going on": found.going,
        "ended since": found.ended.total(),
        "not there": len(found.missing),
        "there after all": there,
        "deleted": found.gone,
        "in doubt": len(found.doubtful),
        "started from another ledger": len(found.elsewhere),
        "not known": len(found.unknown),
    }
    told = ", ".join(f"{number} {what}" for what, number in numbers.items() if number)
    say(f"{batch}: {told or 'nothing to compare with the service'}")
    if found.ended:
        statuses = ", ".join(f"{number} {printable(status)}" for status, number in found.ended.most_common())
        say(f"  ended since: {statuses}; 'batchrun run' records it")
    if found.missing:
        say(f"  not there: {_named(found.missing)}; 'batchrun run' looks again before it believes that")
    if found.doubtful:
        say(f"  sent, and the answer was lost: {_named(found.doubtful)}; 'batchrun run' settles it")
    if found.elsewhere:
        say(
            f"  started from another ledger: {_named(found.elsewhere)}; 'batchrun run' takes their runs "
            "over, and so does 'batchrun ledger rebuild MANIFEST' without starting others",
            hang=4,
        )
    for why in sorted(set(found.unknown.values())):
        ids = [id_ for id_, reason in found.unknown.items() if reason == why]
        complain(f"not known: {shortened(ids)}: {why}; try again in a minute")


def _named(ids: Sequence[str]) -> str:
    return printable(shortened(ids))
