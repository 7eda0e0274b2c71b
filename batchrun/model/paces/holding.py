"""The rate while a measured limit is held: first a little below it, then long near it, then a little above.

It follows a cubic curve, as in RFC 9438: tokens saved below the limit are spent above it, and the next
refusal comes when they are used up. A bucket of one saves none: there a refusal costs a turn, and since
latencies vary, calls sent just in time sometimes arrive too soon. So its curve is half a cut lower; the
sooner the last refusal came, the larger is the cut, so that it settles where refusals are rare.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: Bounds of the cut, and of the calls until the rate is back at the limit, as a multiple of the calls that
#: measured it.
_SMALLEST_CUT: Final = 0.01
_LARGEST_CUT: Final = 0.5
_SPANS: Final = 5
SHORTEST_SPAN: Final = 16
LONGEST_SPAN: Final = 240
#: Most seconds until then, or a raised limit would go unnoticed for long where calls are rare; but at least
#: this many calls, or refusals would be a large share of them.
_LONGEST_HOLD: Final = 45.0
LEAST_HOLD: Final = 60
#: Beyond the curve: seconds in which the rate doubles, and the fewest calls for that.
_DOUBLING: Final = 2.0
_FEWEST_TO_DOUBLE: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The rate after a refusal, by calls since then."""

    base: float  #: calls per second at which it is flat
    cut: float = 0.0  #: share of *base* by which it begins below that
    span: int = LONGEST_SPAN  #: calls until it reaches *base*

    def rate(self, calls: int) -> float:
        """Return the rate after so many *pressed* calls."""
        beyond = calls - 2 * self.span
        if beyond <= 0:
            return self.base * (1 + self.cut * (calls / self.span - 1) ** 3)
        top = self.base * (1 + self.cut)
        return top * (1 + beyond / max(_FEWEST_TO_DOUBLE, _DOUBLING * top))


def curve(limit: float, calls: int, *, stores_nothing: bool) -> Curve:
    """Return the curve for a *limit* measured by so many *calls*."""
    cut = min(max(1 / (calls + 1), _SMALLEST_CUT), _LARGEST_CUT)
    longest = min(LONGEST_SPAN, max(LEAST_HOLD, int(_LONGEST_HOLD * limit)))
    span = max(SHORTEST_SPAN, min(_SPANS * calls, longest))
    if stores_nothing:
        return Curve(base=limit * (1 - cut / 2), cut=cut / 2, span=span)
    return Curve(base=limit, cut=cut, span=span)
