"""
batchrun launches many AWS HealthOmics runs from one manifest and watches them to the end.

    with load_manifest("cohort.csv", defaults=["defaults.yaml"]) as manifest:
        async with launching(manifest, ledger="batchrun.db") as launch:
            async for step in launch.steps():
                print(step.entry.id, step.kind)
            ended = await launch.wait()

What ``__all__`` names is public and documented where it is defined; everything else is private. A name is
imported when it is first used: the command line, and a program that needs one of them, do not pay for all.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

from batchrun.version import __version__ as __version__

if TYPE_CHECKING:
    from batchrun.api.launch import Ended, Launch, Step, Steps
    from batchrun.api.manifests import Sheet, load_manifest
    from batchrun.api.reading import open_ledger
    from batchrun.api.retrying import Retried, retry
    from batchrun.api.session import Session, launching
    from batchrun.api.writing import write_report, write_results
    from batchrun.engine.launcher import Stop
    from batchrun.errors import (
        BatchrunError,
        ChangedRowsError,
        DeliveryError,
        InputError,
        InvariantError,
        LeaseError,
        LeaseHeldError,
        LeaseLostError,
        LedgerError,
        LedgerUnusableError,
        ManifestError,
        ManifestWarning,
        Problem,
        RenamedRowsError,
        ReportError,
        ResultsError,
        ServiceError,
        ServiceUnusableError,
        StorageError,
        UsageError,
    )
    from batchrun.manifest import Manifest
    from batchrun.model.entries.entry import Entry, Run
    from batchrun.model.entries.retrying import RetryPolicy, RetryRule
    from batchrun.model.entries.states import State
    from batchrun.model.paces.rates import AUTO, UNLIMITED, Rate
    from batchrun.model.planning.limits import Changed, Limits, Mode, StopAfter
    from batchrun.model.spec import Spec
    from batchrun.model.submissions.grouping import Engine
    from batchrun.model.tally import Tally
    from batchrun.ports.ledger import Ledger
    from batchrun.ports.service import Troubles
    from batchrun.ports.stored import Batch, Counts, Lease, Outcome, PastAttempt, Sync
    from batchrun.service.target import Target

__all__ = [
    "AUTO",
    "UNLIMITED",
    "Batch",
    "BatchrunError",
    "Changed",
    "ChangedRowsError",
    "Counts",
    "DeliveryError",
    "Ended",
    "Engine",
    "Entry",
    "InputError",
    "InvariantError",
    "Launch",
    "Lease",
    "LeaseError",
    "LeaseHeldError",
    "LeaseLostError",
    "Ledger",
    "LedgerError",
    "LedgerUnusableError",
    "Limits",
    "Manifest",
    "ManifestError",
    "ManifestWarning",
    "Mode",
    "Outcome",
    "PastAttempt",
    "Problem",
    "Rate",
    "RenamedRowsError",
    "ReportError",
    "ResultsError",
    "Retried",
    "RetryPolicy",
    "RetryRule",
    "Run",
    "ServiceError",
    "ServiceUnusableError",
    "Session",
    "Sheet",
    "Spec",
    "State",
    "Step",
    "Steps",
    "Stop",
    "StopAfter",
    "StorageError",
    "Sync",
    "Tally",
    "Target",
    "Troubles",
    "UsageError",
    "launching",
    "load_manifest",
    "open_ledger",
    "retry",
    "write_report",
    "write_results",
]
#: The public names that each module defines.
_DEFINED: Final = {
    "api.launch": "Ended Launch Step Steps",
    "api.manifests": "Sheet load_manifest",
    "api.reading": "open_ledger",
    "api.retrying": "Retried retry",
    "api.session": "Session launching",
    "api.writing": "write_report write_results",
    "engine.launcher": "Stop",
    "errors": (
        "BatchrunError ChangedRowsError DeliveryError InputError InvariantError LeaseError LeaseHeldError "
        "LeaseLostError LedgerError LedgerUnusableError ManifestError ManifestWarning Problem "
        "RenamedRowsError ReportError ResultsError ServiceError ServiceUnusableError StorageError UsageError"
    ),
    "manifest": "Manifest",
    "model.entries.entry": "Entry Run",
    "model.entries.retrying": "RetryPolicy RetryRule",
    "model.entries.states": "State",
    "model.paces.rates": "AUTO Rate UNLIMITED",
    "model.planning.limits": "Changed Limits Mode StopAfter",
    "model.spec": "Spec",
    "model.submissions.grouping": "Engine",
    "model.tally": "Tally",
    "ports.ledger": "Ledger",
    "ports.service": "Troubles",
    "ports.stored": "Batch Counts Lease Outcome PastAttempt Sync",
    "service.target": "Target",
}
_HOMES: Final = {name: f"batchrun.{home}" for home, names in _DEFINED.items() for name in names.split()}

if not TYPE_CHECKING:  # a type checker that saw this would take any name for one of ours

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used."""
        if name not in _HOMES:
            raise AttributeError(f"module 'batchrun' has no attribute '{name}'")
        globals()[name] = found = getattr(importlib.import_module(_HOMES[name]), name)
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
