"""
The rate while a limit is held: a little below it at first, just there for long, and then a little more.

By a cubic curve, as in RFC 9438: tokens that were saved below are spent above, and the next refusal comes
when all of them are. A bucket of one saves none. There a refusal costs its turn, and as the way to the
service takes now longer and now less, calls that leave just in time arrive too soon now and then. So the
curve lingers half a cut lower, and as the cut is the larger the sooner it was refused, it settles where
refusals are rare.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: The cut, and the calls until the rate is back at the limit, from the calls that measured it.
_SMALLEST_CUT: Final = 0.01
_LARGEST_CUT: Final = 0.5
_SPANS: Final = 5
SHORTEST_SPAN: Final = 16
LONGEST_SPAN: Final = 240
#: Seconds until then at most, or a raised limit would be long unseen where calls are rare; but not fewer
#: calls than this, or the refusals would be a good part of them.
_LONGEST_HOLD: Final = 45.0
LEAST_HOLD: Final = 60
#: Beyond the curve: seconds in which the rate doubles, and the fewest calls in which it does.
_DOUBLING: Final = 2.0
_FEWEST_TO_DOUBLE: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """How the rate goes on from a refusal."""

    base: float  #: calls per second at which it lingers
    cut: float = 0.0  #: the share by which it begins below that
    span: int = LONGEST_SPAN  #: calls until it is there

    def rate(self, calls: int) -> float:
        """Return the rate after so many calls that had to wait for their turn."""
        beyond = calls - 2 * self.span
        if beyond <= 0:
            return self.base * (1 + self.cut * (calls / self.span - 1) ** 3)
        top = self.base * (1 + self.cut)
        return top * (1 + beyond / max(_FEWEST_TO_DOUBLE, _DOUBLING * top))


def curve(limit: float, calls: int, *, stores_nothing: bool) -> Curve:
    """Return the curve below *limit*, which so many calls measured."""
    cut = min(max(1 / (calls + 1), _SMALLEST_CUT), _LARGEST_CUT)
    longest = min(LONGEST_SPAN, max(LEAST_HOLD, int(_LONGEST_HOLD * limit)))
    span = max(SHORTEST_SPAN, min(_SPANS * calls, longest))
    if stores_nothing:
        return Curve(base=limit * (1 - cut / 2), cut=cut / 2, span=span)
    return Curve(base=limit, cut=cut, span=span)
