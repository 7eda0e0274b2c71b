"""What a program gives in place of options, checked as the command line checks these.

Belongs here: values that no launch can use, and a lone text where there may be several. Does not: options of
the command line, which never get so far.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from batchrun.errors import UsageError

if TYPE_CHECKING:
    from batchrun.model.paces.rates import Rate
    from batchrun.model.planning.limits import Limits, StopAfter


def several(given: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> tuple[str, ...]:
    """Return what was given as texts; a lone text, or path, is one of them, and not its letters."""
    return tuple(map(str, [given] if isinstance(given, str | os.PathLike) else given))


def check_limits(limits: Limits, *, deadline: float | None = None, lease: float = 1.0) -> None:
    """Check that a launch can get on within limits, and end. Raises UsageError if it cannot."""
    counts = {
        "Limits.concurrency": limits.concurrency,
        "Limits.max_active": limits.max_active,
        "Limits.account_max_active": limits.account_max_active,
    }
    for name, count in counts.items():
        if count is not None and count < 1:
            raise UsageError(f"{name} is {count}: nothing would ever be started; give 1 or more")
    _check_stop_after(limits.stop_after)
    # A deadline that has passed stops a launch at once.
    spans = {"deadline": deadline, "Limits.patience": limits.patience, "lease": lease}
    for name, span in spans.items():
        if span is not None and math.isnan(span):
            raise UsageError(f"{name} is {span}; give a number of seconds")


def _check_stop_after(stop: StopAfter) -> None:
    if stop.count is not None and stop.count < 1:
        raise UsageError(f"StopAfter.count is {stop.count}: nothing would ever be started; give 1 or more")
    if stop.percent is not None and not 0 < stop.percent <= 100:  # noqa: PLR2004 (percent)
        raise UsageError(f"StopAfter.percent is {stop.percent}; give more than 0, and at most 100")


def check_rate(rate: Rate) -> None:
    """Check that calls can be made at a rate. Raises UsageError if they cannot."""
    from batchrun.model.paces.rates import SLOWEST  # noqa: PLC0415 (only for programs that launch)

    if not rate.most >= SLOWEST:
        raise UsageError(f"Rate.most is {rate.most}; give {SLOWEST} calls per second or more, or AUTO")


def check_loop() -> None:
    """Check that asyncio runs what awaits this. Raises UsageError for trio, and the like."""
    try:
        asyncio.get_running_loop()
    except RuntimeError as error:
        says = "batchrun runs on asyncio, and something else runs this, such as trio"
        raise UsageError(f"{says}; begin it with asyncio.run(main()), or anyio.run(main)") from error
