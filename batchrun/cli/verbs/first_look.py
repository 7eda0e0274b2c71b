"""
What verbs say of looking for the runs of rows that are DELETED, which they do first.

Belongs here: the words. Does not: looking (``api.first_look``), what verbs do then.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from batchrun.cli.speak import complain
from batchrun.cli.wording import printable
from batchrun.report.chosen import shortened

if TYPE_CHECKING:
    from batchrun.api.first_look import FirstLook, How


#: Rows from which on people are told that looking for them takes a while.
_MANY: Final = 50


def how_to_look(concurrency: int, *, is_dry: bool) -> How:
    """Say how it is looked for them."""
    from batchrun.api.first_look import How  # noqa: PLC0415 (it loads the model)

    return How(at_once=concurrency, is_dry=is_dry, tell=_tell_looking)


def _tell_looking(number: int) -> None:
    if number > _MANY:
        complain(f"looking for the runs of {number} rows that are DELETED")


def tell_first_look(looked: FirstLook, *, is_done: bool) -> None:
    """Say whose runs are there after all, and of whose nobody can tell."""
    tell_back(looked, is_done=is_done)
    for why in sorted(set(looked.unknown.values())):
        ids = [entry_id for entry_id, reason in looked.unknown.items() if reason == why]
        complain(printable(f"left out: {shortened(ids)}: {why}; try again in a minute"))


def tell_back(looked: FirstLook, *, is_done: bool) -> None:
    """Say whose runs are there after all."""
    there: defaultdict[str, list[str]] = defaultdict(list)
    for entry in looked.back.values():
        there[entry.run.status if entry.run else ""].append(entry.id)
    has = "has" if is_done else "would have"
    for status, ids in there.items():
        complain(printable(f"there after all, {status}: the run of {shortened(ids)}; it {has} its row again"))
