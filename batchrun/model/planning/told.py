"""What the planner was told last, kept to tell the story of a defect."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, TypeAlias

from batchrun.model.planning.stimuli import Acted, RatesLearned

if TYPE_CHECKING:
    from batchrun.model.entries.states import State
    from batchrun.model.planning.stimuli import Stimulus

    #: What is kept of a stimulus: the id of the entry, the stimulus or action, the state; no entry itself.
    _Gist: TypeAlias = tuple[str | None, type, State | None]

#: Stimuli that are kept.
_KEPT: Final = 200


class Told:
    """The last stimuli."""

    def __init__(self) -> None:
        self._told: deque[tuple[float, _Gist]] = deque(maxlen=_KEPT)

    def add(self, stimulus: Stimulus, now: float) -> None:
        """Keep one, told at *now* in loop time."""
        if not isinstance(stimulus, RatesLearned):  # as often as calls are answered, and of no entry
            self._told.append((now, _gist(stimulus)))

    def story(self, stimulus: Stimulus) -> str:
        """Return what was told of the stimulus's entry, and of none in particular."""
        subject = _gist(stimulus)[0]
        return ", ".join(
            f"{_word(gist)} at {now:.1f} s" for now, gist in self._told if gist[0] in {subject, None}
        )


def _gist(stimulus: Stimulus) -> _Gist:
    if isinstance(stimulus, Acted):
        return stimulus.entry.id, type(stimulus.action), stimulus.entry.state
    return None, type(stimulus), None


def _word(gist: _Gist) -> str:
    _, kind, state = gist
    return kind.__name__ if state is None else f"{kind.__name__} came to {state.value}"
