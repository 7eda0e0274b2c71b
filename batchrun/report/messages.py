"""
What the service said of many runs, told once: messages that differ in ids and numbers alone are one.

Belongs here: which messages are alike, and what they have in common. Does not: whose they are (``figures``).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import takewhile
from string import digits
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

#: Stands for what differs.
GAP: Final = "…"
_WORDS: Final = re.compile(r"(\s+)")
_DIGIT: Final = re.compile(r"\d")
#: Characters of a message that are compared: who writes more is not read to the end either.
_COMPARED: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What was said, with a mark for what differs, and how often."""

    text: str
    count: int


def grouped(texts: Mapping[str, int]) -> Sequence[Message]:
    """
    Put messages together that differ only in words with digits, which ids, paths and sizes are; most first.

    Args:
        texts: How often each was said.
    """
    alike: defaultdict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for text, count in texts.items():
        alike[_shape(text)][text] += count
    found = [Message(text=_common(list(group)), count=group.total()) for group in alike.values()]
    return sorted(found, key=lambda message: -message.count)


def _shape(text: str) -> tuple[str, ...]:
    return tuple(GAP if _DIGIT.search(word) else word for word in _words(text))


def _words(text: str) -> list[str]:
    return _WORDS.split(text[:_COMPARED])


def _common(texts: Sequence[str]) -> str:
    if len(texts) == 1:
        return texts[0]
    return "".join(_word(places) for places in zip(*map(_words, texts), strict=True))


def _word(words: Sequence[str]) -> str:
    """Return the word where all are the same, else what they begin and end with."""
    different = set(words)
    if len(different) == 1:
        return words[0]
    start = common_start(different)
    rests = [word[len(start) :][::-1] for word in different]
    # Numbers that differ are left out as a whole: that two of them begin alike says nothing.
    return f"{start.rstrip(digits)}{GAP}{common_start(rests).rstrip(digits)[::-1]}"


def common_start(texts: Collection[str]) -> str:
    """Return what all of *texts* begin with."""
    least, most = min(texts, default=""), max(texts, default="")  # what these two share, all share
    same = takewhile(lambda pair: pair[0] == pair[1], zip(least, most, strict=False))
    return "".join(one for one, _ in same)
