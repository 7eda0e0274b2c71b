"""
Asking for an account's quotas, for verbs that call nothing else.

Belongs here: that one question. Does not: which quotas there are (``model.quotas``), words (``showing``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.api.opening import Opening
from batchrun.cli.launching.logs import configure
from batchrun.model.pace import UNLIMITED

if TYPE_CHECKING:
    from batchrun.cli.options import Service
    from batchrun.model.quotas import Quotas


async def account_quotas(to: Service) -> Quotas:
    """
    Ask for the quotas of the account that is called.

    Raises:
        UsageError: No region or no such profile.
        ServiceUnusableError: No credentials.
    """
    configure(verbosity=-1, as_json=False)
    async with Opening(None, target=to.target(), rate=UNLIMITED, read_rate=UNLIMITED) as opened:
        return await (await opened.service()).quotas()
