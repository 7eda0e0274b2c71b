"""
What is known of runs that other ledgers started: which names are to be looked for, and what was looked for.

Belongs here: these rows. Does not: how long a proof holds (``model.proofs``), looking (``engine.prover``).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from batchrun.clock import Origin
from batchrun.ledger.reading import batch_key
from batchrun.ledger.rows import micros, time_of
from batchrun.ledger.statements import queries
from batchrun.ports.proofs import Unproven

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    import apsw


def unproven(connection: apsw.Connection, batch: str, *, since: datetime, at: datetime) -> int:
    """Count the entries that are to be sent without a proof that holds at *at*."""
    values = (batch_key(connection, batch), micros(since), micros(at))
    return int(connection.execute(queries()["unproven"], values).get)


def bind(connection: apsw.Connection, batch: int, origin: Origin) -> None:
    """Forget proofs that another clock stamped, within the transaction that is open."""
    kept = connection.execute(queries()["proof_clock"], (batch,)).fetchone()
    if kept is not None and origin.is_same(Origin(boot=kept[0], at=time_of(kept[1]))):
        return
    connection.execute(queries()["forget_proofs"], (batch,))
    connection.execute(queries()["keep_proof_clock"], (batch, origin.boot, micros(origin.at)))


def begin(connection: apsw.Connection, batch: int, *, since: datetime, at: datetime) -> Unproven:
    """Mark what is to be looked for, within the transaction that is open, and return it."""
    connection.execute(queries()["forget_sought"], (batch, None))
    connection.execute(queries()["begin_survey"], (batch, micros(since), micros(at)))
    names: dict[str, tuple[str, ...]] = {}
    for entry_id, name in connection.execute(queries()["sought_names"], (batch,)):
        if name is not None:
            names[name] = (*names.get(name, ()), entry_id)
    return Unproven(names=names, last_calls=connection.execute(queries()["survey_calls"], (batch,)).get)


def end(
    connection: apsw.Connection, batch: int, *, at: datetime, calls: int | None, besides: Collection[str]
) -> None:
    """Keep the proof of what is marked still, but for *besides*, within the transaction that is open."""
    if besides:
        connection.execute(queries()["forget_sought"], (batch, json.dumps(list(besides))))
    connection.execute(queries()["end_survey"], (batch, micros(at)))
    if calls is not None:
        connection.execute(queries()["keep_survey"], (batch, micros(at), calls))
