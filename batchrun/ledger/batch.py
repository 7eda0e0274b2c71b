"""A batch of a store."""

from __future__ import annotations

from batchrun.ledger.asking import Asking
from batchrun.ledger.reading import Reading
from batchrun.ledger.standing import Standing
from batchrun.ledger.submissions import Submitted
from batchrun.ledger.written import Remembering
from batchrun.ports.batch import StoredBatch


class SqlBatch(Reading, Standing, Asking, Remembering, Submitted, StoredBatch):
    """A batch of a store, to be read and asked."""
