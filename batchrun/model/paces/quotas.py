"""An account's quotas for runs, in Service Quotas, and which of them apply to which rows.

Facts from UG/service-quotas; all of them can be raised.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from batchrun.model.spec import Spec

DYNAMIC: Final = "DYNAMIC"
STATIC: Final = "STATIC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """An account's quotas in one region, each None if unknown."""

    start_runs_per_second: float | None = None
    kept_runs: int | None = None  #: active or ended; at the limit new ones are refused (UG/run-retention)
    dynamic_runs: int | None = None  #: active at once, with DYNAMIC storage
    static_runs: int | None = None  #: active at once, with STATIC storage
    gpus: int | None = None  #: in use at once, by the tasks of all runs

    def active_runs(self, storage_types: Collection[str | None]) -> Mapping[str, int]:
        """Return how many runs may be active at once, by the storage types that the rows may get.

        Both for a row without a type: the service's documents contradict each other on which one it gets.
        """
        known = {DYNAMIC: self.dynamic_runs, STATIC: self.static_runs}
        is_any = not storage_types or not known.keys() >= set(storage_types)
        return {
            kind: limit
            for kind, limit in known.items()
            if limit is not None and (is_any or kind in storage_types)
        }


def storage_types(specs: Iterable[Spec]) -> set[str | None]:
    """Return the storage types that the rows ask for; None for rows that ask for none."""
    return {json.loads(spec.request).get("storageType") for spec in specs}


#: How many runs may be active at once in an account that never asked for more.
USUAL: Final = Quotas(dynamic_runs=50, static_runs=10)

#: Their codes in Service Quotas.
CODES: Final = {
    "start_runs_per_second": "L-24A3B174",
    "kept_runs": "L-C9679DBC",
    "dynamic_runs": "L-BE38079A",
    "static_runs": "L-A30FD31B",
    "gpus": "L-AFB19B96",
}
