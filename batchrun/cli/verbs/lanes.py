"""``batchrun lanes``: the accounts and regions that a manifest may use, as they are now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchrun.cli.calling import objects
from batchrun.cli.command import argument, group, verb
from batchrun.cli.completion import files
from batchrun.cli.exits import Exit, exit_code, worst
from batchrun.cli.options import LANES, READ_RATE, TIMEOUT, Account, Output
from batchrun.cli.showing import lanes as showing
from batchrun.cli.signals import interruptible, run_async
from batchrun.cli.speak import complain, emit, say
from batchrun.cli.wording import counted
from batchrun.model.lanes import Lane
from batchrun.service.target import Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrun.api.lanes_now import LaneNow
    from batchrun.model.pace import Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What ``batchrun lanes`` is told."""

    manifest: str | None = argument(metavar="MANIFEST", required=False, shell_complete=files)
    lanes: str | None = LANES()
    read_rate: Rate = READ_RATE()
    timeout: float = TIMEOUT()
    output: Output = group(Output)


@verb(Options, epilog="Read on: 'batchrun help lanes', 'batchrun help iam'.")
def lanes(told: Options) -> Exit:
    """
    Show each lane of MANIFEST, or of --lanes, as it is now: account, credentials, quotas, active runs.

    Without either it shows where calls go that name no lane. Nothing is submitted. What is wrong with a lane
    is told with the cure; the command ends with 0 when all can be used, with 5 where credentials, a
    permission or the network are missing, and with 2 where nothing but settings are wrong.
    """
    from batchrun.api.lanes_now import look  # noqa: PLC0415 (loads aiobotocore)
    from batchrun.cli.logs import configure_as  # noqa: PLC0415

    wanted = _lanes(told) or (Lane(name=""),)
    configure_as(told.output)
    found = run_async(look, wanted, Target(read_timeout=told.timeout), told.read_rate)
    for now in found:
        _tell(now, as_json=told.output.as_json)
    _conclude(found)
    return worst([Exit.OK, *(exit_code(now.error) for now in found if now.error is not None)])


def _lanes(told: Options) -> Sequence[Lane]:
    from batchrun.manifest.lanes.table import lanes_to_use  # noqa: PLC0415 (loads botocore)
    from batchrun.manifest.load import lanes_of  # noqa: PLC0415
    from batchrun.manifest.source import Source  # noqa: PLC0415

    with interruptible(), objects(Account(profile=None, region=None), told.output) as in_s3:
        if told.manifest is not None:
            return lanes_of(Source(path=told.manifest, lanes=told.lanes), objects=in_s3)
        return () if told.lanes is None else lanes_to_use(told.lanes, in_s3)


def _tell(now: LaneNow, *, as_json: bool) -> None:
    if as_json:
        emit("lane", **showing.facts(now))
        return
    for line in showing.lines(now):
        say(line)


def _conclude(found: Sequence[LaneNow]) -> None:
    """Say how many cannot be used, where any cannot."""
    if unusable := sum(now.error is not None for now in found):
        complain(f"{unusable} of {counted(len(found), 'lane')} cannot be used")
