"""
What every ledger is held to: each sentence of ``ports.ledger``, as a test.

A ledger's own test file inherits :class:`LedgerConformance` and gives the ``ledger`` fixture: an empty one.
"""

from __future__ import annotations

from tests.ledger.contract_cancelling import Cancelling, Deleting
from tests.ledger.contract_commons import Peers, SharedPaces
from tests.ledger.contract_failed_runs import FailedRuns
from tests.ledger.contract_giving_back import GivingBack
from tests.ledger.contract_lanes import AddingLanes, Lanes, LanesOfRows
from tests.ledger.contract_lanes_due import DueInLanes, ProofsInLanes
from tests.ledger.contract_leases import Batches, Leases
from tests.ledger.contract_namesakes import Namesakes
from tests.ledger.contract_notices import Notices
from tests.ledger.contract_proofs import Proofs
from tests.ledger.contract_reading import Reading
from tests.ledger.contract_record import Recording
from tests.ledger.contract_standing import LatestEnds, LatestRuns, Standing
from tests.ledger.contract_submissions import Shapes, SubmissionsOfBatches
from tests.ledger.contract_sync import Syncing
from tests.ledger.contract_usages import Usages
from tests.ledger.contract_written import WrittenDown


class LedgerConformance(
    Batches,
    Leases,
    Syncing,
    Recording,
    Reading,
    Standing,
    Cancelling,
    Deleting,
    GivingBack,
    Notices,
    FailedRuns,
    Usages,
    Namesakes,
    LatestEnds,
    LatestRuns,
    Proofs,
    Lanes,
    LanesOfRows,
    AddingLanes,
    DueInLanes,
    ProofsInLanes,
    SharedPaces,
    Peers,
    SubmissionsOfBatches,
    Shapes,
    WrittenDown,
):
    """The whole contract."""
