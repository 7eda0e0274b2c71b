"""
Writes the intents of many rows at once: a temporary table of them, and a few set operations.

Row by row it takes several times as long, and all that time nobody writes to another batch of the file.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from batchrun import points
from batchrun.errors import InvariantError
from batchrun.ledger.rows import attempt_values, detail, maybe_micros, micros
from batchrun.model.events import Intended
from batchrun.points import Point

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from batchrun.ledger.store import Store, Value
    from batchrun.ports.stored import Transition


@contextlib.contextmanager
def listed_intents(store: Store, steps: Sequence[Transition]) -> Iterator[None]:
    """Have a table of *steps*, each an ``Intended``, for as long as the block lasts; outside of any write."""
    with store.tables("make_intents", "drop_intents"):
        with store.reading():
            store.many("add_intent", (_values(step) for step in steps))
        yield


def intend(store: Store, batch: int) -> None:
    """
    Write what is listed, within the transaction that is open.

    Raises:
        InvariantError: A row is not there, or not as it was when its step was made; nothing is written.
    """
    if wrong := store.one("wrong_intent", batch=batch):
        raise InvariantError(
            f"an intent of attempt {wrong.attempt} of entry '{wrong.id}', which is {wrong.state} at attempt "
            f"{wrong.stored_attempt} in lane {wrong.stored_lane}"
        )
    store.run("intend", batch=batch)
    store.run("add_intended_events", batch=batch)
    store.run("keep_intended_proofs", batch=batch)
    points.reached(Point.COMMITTING)


def _values(step: Transition) -> Mapping[str, Value]:
    event, entry = step.event, step.entry
    assert isinstance(event, Intended)  # noqa: S101 (the submission's own check says more)
    values = attempt_values(entry)
    return {
        "id": entry.id,
        "at": micros(event.at),
        "detail": detail(event, entry),
        "proven_at": maybe_micros(event.proven_at),
        **{name: values[name] for name in _ATTEMPT},
        # Where there are no lanes it stays what it is, and need not be carried.
        "request": event.request and entry.request,
    }


#: What an intent makes of its attempt.
_ATTEMPT = ("attempt", "request_id", "intended_at", "tagged", "lane", "may_take")
