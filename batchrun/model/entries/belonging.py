"""Which batch a manifest belongs to, told by how many of its rows are known, where, and under which ids.

Rows come and go, so that none of them alone decides: most of them do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

#: Between digits they count: ``2026-1-11`` is not ``2026-11-1``.
_SEPARATORS: Final = re.compile(r"(?<!\d)[\s._-]+|[\s._-]+(?!\d)")
#: What browsers, desktops and online disks put to the name of a copy: ``cohort (1)``, ``Copy of cohort``.
_COPY: Final = re.compile(r"^copy of |[\s_-]*\((?:\d+|(?:\w+ )?copy)\)$|[\s_-]+copy(?: \(?\d+\)?)?$")
_BETWEEN_DIGITS: Final = re.compile(r"(?<=\d)[\s._-]+(?=\d)")
#: Letters of the shortest word in which a slip can be told from another word, such as ``jun`` from ``jan``.
_WORD: Final = 4


def is_another(rows: int, known: int) -> bool:
    """Report whether a manifest from another place belongs to another project than the batch of its name.

    The batch has *known* of its *rows*, unchanged.
    """
    return _is_most(rows - known, rows)


def same_elsewhere(rows: int, elsewhere: Mapping[str, int]) -> str | None:
    """Return the batch that a manifest with a new batch most likely belongs to; None if it is really new.

    *elsewhere* is how many of its *rows* other batches have.
    """
    most = max(sorted(elsewhere), key=lambda name: elsewhere[name], default=None)
    return most if most is not None and _is_most(elsewhere[most], rows) else None


def is_renamed(rows: int, moved: int, *, is_number: bool) -> bool:
    """Report whether rows with new ids are those that were sent before under others.

    Args:
        rows: Rows of the manifest.
        moved: Those that ask for the work of a row that has left.
        is_number: Whether an id is a number that only lost its zeros, as a spreadsheet does it.
    """
    return is_number or _is_most(moved, rows)


def is_slip(name: str, other: str) -> bool:
    """Report whether one name of a batch is the other, mistyped.

    Two letters are swapped, or one within a word is missing or too many; or only case and separators differ.
    Digits and other letters do not count: batches are told apart by them (``run-2``, ``cohortB``).
    """
    one, two = name.casefold(), other.casefold()
    if name == other or _joined(one) == _joined(two):
        return name != other
    shorter, longer = sorted((one, two), key=len)
    at = next((place for place, char in enumerate(shorter) if char != longer[place]), len(shorter))
    swapped = shorter[:at] + shorter[at : at + 2][::-1] + shorter[at + 2 :]
    if swapped == longer:
        return _is_in_word(longer, at, at + 1)
    return longer[at + 1 :] == shorter[at:] and _is_in_word(longer, at - 1, at + 1)


def is_copy(name: str, other: str) -> bool:
    """Report whether two files without their extensions are copies of one, by their names."""
    return name != other and _original(name) == _original(other)


def _original(name: str) -> str:
    rest = name.casefold()
    while (shorter := _COPY.sub("", rest, count=1)) != rest:
        rest = shorter
    return rest


def _joined(text: str) -> str:
    return _BETWEEN_DIGITS.sub("-", _SEPARATORS.sub("", text))


def _is_in_word(text: str, first: int, last: int) -> bool:
    """Report whether these letters are part of one word that is long enough."""
    words = re.finditer(rf"[^\W\d_]{{{_WORD},}}", text)
    return any(word.start() <= first and last < word.end() for word in words)


def _is_most(part: int, rows: int) -> bool:
    return 2 * part > rows
