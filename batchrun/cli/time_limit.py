"""
An end to what a user's regular expression may take.

Belongs here: that. Python's matcher can take longer than the universe is old for a line of text, but it looks
for signals while it does.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from batchrun.errors import UsageError

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator
    from types import FrameType

#: Seconds of processor time for one name; a sane pattern takes microseconds.
_PATIENCE: Final = 2.0


@contextmanager
def limited(pattern: re.Pattern[str]) -> Iterator[Callable[[str], re.Match[str] | None]]:
    """
    Return the pattern's ``fullmatch``, which raises UsageError where a name takes it too long.

    Only for the main thread.
    """

    def give_up(_number: int, _frame: FrameType | None) -> None:
        raise UsageError(
            "--pattern takes too long for a single name: it has repetitions within repetitions, such as "
            "(.+)+; write [^_]+ in place of .+ where a part ends at a known character"
        )

    def match(name: str) -> re.Match[str] | None:
        signal.setitimer(signal.ITIMER_VIRTUAL, _PATIENCE)
        try:
            return pattern.fullmatch(name)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    before = signal.signal(signal.SIGVTALRM, give_up)
    try:
        yield match
    finally:
        signal.signal(signal.SIGVTALRM, before)
