"""What a program gives in place of options, checked as the command line checks these.

Belongs here: values that no launch can use, and a lone text where there may be several. Does not: options of
the command line, which never get so far.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
from collections.abc import Iterable
from numbers import Real
from typing import TYPE_CHECKING, Final

from batchrun.errors import UsageError
from batchrun.model.entries.retrying import RetryPolicy
from batchrun.model.submissions.grouping import Engine

if TYPE_CHECKING:
    from batchrun.model.paces.rates import Rate
    from batchrun.model.planning.limits import Limits, StopAfter


_SHOWN: Final = 80


def several(given: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> tuple[str, ...]:
    """Return what was given as texts; a lone text, or path, is one of them, and not its letters."""
    parts = [given] if isinstance(given, str | os.PathLike) else given
    # Of a text that is a member of an enumeration its value, and not its name.
    return tuple(str.__str__(part) if isinstance(part, str) else str(part) for part in parts)


def check_kind(name: str, value: object, kind: type | tuple[type, ...], such_as: str) -> None:
    """Check the type of an argument, as those who write without types do not. Raises UsageError.

    Only a text or a number is shown: anything else may hold a credential.
    """
    if not isinstance(value, kind):
        what = _shown(value) if isinstance(value, str | int | float) else f"of type {type(value).__name__}"
        raise UsageError(f"{name} is {what}; give {such_as}")


def check_limits(limits: Limits, *, deadline: float | None = None, lease: float = 1.0) -> None:
    """Check that a launch can get on within limits, and end. Raises UsageError if it cannot."""
    _check_kinds(limits)
    for rule in limits.retry.rules:
        _check_change(rule.change)
    counts = {
        "Limits.concurrency": limits.concurrency,
        "Limits.max_active": limits.max_active,
        "Limits.account_max_active": limits.account_max_active,
    }
    for name, count in counts.items():
        if count is not None:
            check_kind(name, count, Real, "a whole number, 1 or more")
        if count is not None and not count >= 1:
            raise UsageError(f"{name} is {count}: nothing would ever be started; give 1 or more")
    _check_stop_after(limits.stop_after)
    # A deadline that has passed stops a launch at once.
    spans = {"deadline": deadline, "Limits.patience": limits.patience, "lease": lease}
    for name, span in spans.items():
        if span is not None:
            check_kind(name, span, Real, "a number of seconds")
        if span is not None and math.isnan(span):
            raise UsageError(f"{name} is {span}; give a number of seconds")


def _check_kinds(limits: Limits) -> None:
    """Check those whose text would be taken for none of their values."""
    from batchrun.model.planning.limits import Changed, Limits, Mode, StopAfter  # noqa: PLC0415 (as below)

    check_kind("limits", limits, Limits, "Limits(...)")
    check_kind("Limits.mode", limits.mode, Mode, "a Mode, such as Mode.ONCE")
    check_kind("Limits.changed", limits.changed, Changed, "a Changed, such as Changed.KEEP")
    check_kind("Limits.engine", limits.engine, Engine, "an Engine, such as Engine.AUTO")
    check_kind("Limits.stop_after", limits.stop_after, StopAfter, "a StopAfter, such as StopAfter(count=5)")
    check_kind("Limits.retry", limits.retry, RetryPolicy, "a RetryPolicy, such as RetryPolicy(rules=(...))")


def _check_change(change: object) -> None:
    """Check what a retry rule changes: failed runs come late to find that it cannot be read."""
    if change is None:
        return
    cure = "JSON as text, such as json.dumps({'parameters': {'memory': 64}})"
    check_kind("RetryRule.change", change, str, cure)
    try:
        is_table = isinstance(json.loads(str(change)), dict)
    except ValueError:
        is_table = False
    if not is_table:
        raise UsageError(f"RetryRule.change is {_shown(change)}; give {cure}")


def _check_stop_after(stop: StopAfter) -> None:
    if stop.count is not None and stop.count < 1:
        raise UsageError(f"StopAfter.count is {stop.count}: nothing would ever be started; give 1 or more")
    if stop.percent is not None and not 0 < stop.percent <= 100:  # noqa: PLR2004 (percent)
        raise UsageError(f"StopAfter.percent is {stop.percent}; give more than 0, and at most 100")


def check_rate(name: str, rate: Rate) -> None:
    """Check that calls can be made at a rate. Raises UsageError if they cannot."""
    from batchrun.model.paces.rates import SLOWEST, Rate  # noqa: PLC0415 (only for programs that launch)

    check_kind(name, rate, Rate, "AUTO, UNLIMITED, or calls per second: Rate(most=5)")
    if not rate.most >= SLOWEST:
        raise UsageError(f"Rate.most is {rate.most}; give {SLOWEST} calls per second or more, or AUTO")


def check_loop() -> None:
    """Check that asyncio runs what awaits this. Raises UsageError for trio, and the like."""
    try:
        asyncio.get_running_loop()
    except RuntimeError as error:
        says = "batchrun runs on asyncio, and something else runs this, such as trio"
        raise UsageError(f"{says}; begin it with asyncio.run(main()), or anyio.run(main)") from error


def _shown(value: object) -> str:
    """Return a value short enough for a message."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
