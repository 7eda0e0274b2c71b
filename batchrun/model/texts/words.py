"""Counts, durations and invisible characters as messages and pages write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun: ``1 row``, ``2 rows``."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def some(names: Sequence[str], total: int | None = None, *, most: int | None = None) -> str:
    """Return names, or the first *most* of them: ``a, b, ...`` if there are more, *total* in all."""
    shown = names[:most]
    is_all = len(shown) >= (len(names) if total is None else total)
    return ", ".join(shown) + ("" if is_all else ", ...")


def stands(numbers: Mapping[str, int]) -> str:
    """Return numbers in words: ``3 running, 1 failed``; empty if all are zero."""
    return ", ".join(f"{number} {name}" for name, number in numbers.items() if number)


def seconds(value: float) -> str:
    """Return a duration in words: ``45 s``, ``3 min``, ``2 h 05 min``, ``3 d 4 h``."""
    whole = round(value)
    if whole < 90:  # noqa: PLR2004
        return f"{whole} s"
    if whole < 5400:  # noqa: PLR2004
        return f"{round(whole / 60)} min"
    hours, minutes = divmod(round(whole / 60), 60)
    if hours < 48:  # noqa: PLR2004
        return f"{hours} h {minutes:02} min"
    return f"{hours // 24:,} d {hours % 24} h"


def spelt_out(text: str, *, kept: str = "") -> str:
    r"""Return *text* with invisible characters, except those *kept*, as ``\x1b`` and the like."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in kept else ascii(one)[1:-1] for one in text)
