"""batchrun launches many AWS HealthOmics runs from one manifest and watches them to the end.

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

from batchrun.version import __version__ as __version__

TYPE_CHECKING = False  # as in __main__
if TYPE_CHECKING:
    from batchrun.api.launch import Ended as Ended
    from batchrun.api.launch import Launch as Launch
    from batchrun.api.launch import Step as Step
    from batchrun.api.launch import Steps as Steps
    from batchrun.api.manifests import Sheet as Sheet
    from batchrun.api.manifests import load_manifest as load_manifest
    from batchrun.api.reading import open_ledger as open_ledger
    from batchrun.api.retrying import Retried as Retried
    from batchrun.api.retrying import retry as retry
    from batchrun.api.session import Session as Session
    from batchrun.api.session import launching as launching
    from batchrun.api.writing import write_report as write_report
    from batchrun.api.writing import write_results as write_results
    from batchrun.engine.launcher import Stop as Stop
    from batchrun.errors import BatchrunError as BatchrunError
    from batchrun.errors import ChangedRowsError as ChangedRowsError
    from batchrun.errors import DeliveryError as DeliveryError
    from batchrun.errors import InputError as InputError
    from batchrun.errors import InvariantError as InvariantError
    from batchrun.errors import LeaseError as LeaseError
    from batchrun.errors import LeaseHeldError as LeaseHeldError
    from batchrun.errors import LeaseLostError as LeaseLostError
    from batchrun.errors import LedgerError as LedgerError
    from batchrun.errors import LedgerUnusableError as LedgerUnusableError
    from batchrun.errors import ManifestError as ManifestError
    from batchrun.errors import ManifestWarning as ManifestWarning
    from batchrun.errors import Problem as Problem
    from batchrun.errors import RenamedRowsError as RenamedRowsError
    from batchrun.errors import ReportError as ReportError
    from batchrun.errors import ResultsError as ResultsError
    from batchrun.errors import ServiceError as ServiceError
    from batchrun.errors import ServiceUnusableError as ServiceUnusableError
    from batchrun.errors import StorageError as StorageError
    from batchrun.errors import UsageError as UsageError
    from batchrun.manifest import Manifest as Manifest
    from batchrun.model.entries.entry import Entry as Entry
    from batchrun.model.entries.entry import Run as Run
    from batchrun.model.entries.retrying import RetryPolicy as RetryPolicy
    from batchrun.model.entries.retrying import RetryRule as RetryRule
    from batchrun.model.entries.states import State as State
    from batchrun.model.paces.rates import AUTO as AUTO
    from batchrun.model.paces.rates import UNLIMITED as UNLIMITED
    from batchrun.model.paces.rates import Rate as Rate
    from batchrun.model.planning.limits import Changed as Changed
    from batchrun.model.planning.limits import Limits as Limits
    from batchrun.model.planning.limits import Mode as Mode
    from batchrun.model.planning.limits import StopAfter as StopAfter
    from batchrun.model.spec import Spec as Spec
    from batchrun.model.submissions.grouping import Engine as Engine
    from batchrun.model.tally import Tally as Tally
    from batchrun.ports.ledger import Ledger as Ledger
    from batchrun.ports.service import Troubles as Troubles
    from batchrun.ports.stored import Batch as Batch
    from batchrun.ports.stored import Counts as Counts
    from batchrun.ports.stored import Lease as Lease
    from batchrun.ports.stored import Outcome as Outcome
    from batchrun.ports.stored import PastAttempt as PastAttempt
    from batchrun.ports.stored import Sync as Sync
    from batchrun.service.target import Target as Target

#: The public names that each module defines.
_DEFINED = {
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
_HOMES = {name: f"batchrun.{home}" for home, names in _DEFINED.items() for name in names.split()}
__all__ = list(_HOMES)

if not TYPE_CHECKING:  # a type checker that saw this would take any name for one of ours

    def __getattr__(name: str) -> object:
        """Import a public name when it is first used."""
        if name not in _HOMES:
            raise AttributeError(f"module 'batchrun' has no attribute '{name}'")
        globals()[name] = found = getattr(importlib.import_module(_HOMES[name]), name)
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
