"""
Rows that lack files which others have: a mate, a lane's reads, a kind of file.

Belongs here: finding them, by what their names say. Pure. Does not: the names (``pairing``).
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    #: The parts of a file's name, without those that tell rows apart, in the pattern's order.
    Groups: TypeAlias = tuple[str, ...]

#: Different files that a row may have, each a parameter: more mean that the pattern is wrong.
MOST_KINDS: Final = 1000
#: Mates of one another, at most: reads and their indexes.
_MOST_MATES: Final = 8
_MATE: Final = re.compile(
    r"(?:read|mate|pair|end|direction)s?|r|(?:read|pair)_?(?:no|num|number|end)", re.IGNORECASE
)
_NO_MATE: Final = re.compile(r".*(?:lane|flow|run|chunk|part|rep).*", re.IGNORECASE)
_MATES_VALUE: Final = re.compile(r"[RIri]?[1-4]|fwd|rev|forward|reverse", re.IGNORECASE)


def is_mate(name: str) -> bool:
    """Report whether a part of that name says which of several mates a file is."""
    return _MATE.fullmatch(name) is not None


def lacking(
    rows: Mapping[str, Collection[Groups]], names: Groups, *, named: Collection[str], is_list: bool
) -> dict[str, list[Groups]]:
    """
    Find the rows that lack files, with what they lack.

    Args:
        rows: What each row has.
        names: What the parts of a file's name are called.
        named: Those of them that a parameter's name has.
        is_list: Whether a parameter is a list, so that one row may have more lanes than another.
    """
    kinds = dict.fromkeys(groups for files in rows.values() for groups in files)
    mates = _mates(list(kinds), names, named if is_list else ())
    others = dict.fromkeys(tuple(groups[at] for at in mates) for groups in kinds)
    found: dict[str, list[Groups]] = {}
    for row, files in rows.items():
        missing: Iterator[Groups] = iter(())
        if is_list and len(names) > 1:
            missing = iter(_gaps(files))
        elif len(kinds) <= MOST_KINDS:
            missing = (one for one in kinds if one not in files)
        if len(others) <= _MOST_MATES:
            missing = itertools.chain(missing, _mateless(files, mates, list(others)))
        if told := list(dict.fromkeys(missing)):
            found[row] = told
    return found


def _mates(kinds: Sequence[Groups], names: Groups, named: Collection[str]) -> Sequence[int]:
    """Find the parts that say which mate a file is, by their names, or else by what they say."""
    may_be = [at for at, name in enumerate(names) if not _NO_MATE.fullmatch(name)]
    called = [at for at in may_be if names[at] in named or is_mate(names[at])]
    return called or [at for at in may_be if all(_MATES_VALUE.fullmatch(groups[at]) for groups in kinds)]


def _mateless(
    files: Collection[Groups], mates: Sequence[int], others: Sequence[tuple[str, ...]]
) -> Iterator[Groups]:
    """Give, for each file of a row, the mates that it has in other rows, and not here."""
    for groups in files:
        for values in others:
            mate = list(groups)
            for at, value in zip(mates, values, strict=True):
                mate[at] = value
            if tuple(mate) not in files:
                yield tuple(mate)


def _gaps(files: Collection[Groups]) -> list[Groups]:
    """Return what lacks where each of a row's lanes, say, should have each of its reads."""
    columns = [dict.fromkeys(column) for column in zip(*files, strict=True)]
    # Invariant: no more is looked at than twice what is there; sparse names are no grid.
    size = 1
    for column in columns:
        size *= len(column)
    if size > 2 * len(files):
        return []
    return [groups for groups in itertools.product(*columns) if groups not in files]
