"""
The way to the service for verbs that call it beside a launch, and the logs that calls make.

Belongs here: both, since a log that nobody has set up goes to stdout. Does not: launches (``launching``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from batchrun.api.session import Session
from batchrun.cli.launching.logs import configure
from batchrun.cli.options import output, target

if TYPE_CHECKING:
    from collections.abc import Mapping


def calling_session(
    options: Mapping[str, Any], *, concurrency: int | None = None, region: str | None = None
) -> Session:
    """
    Make the session that LEDGER, SERVICE, READ_RATE, CONCURRENCY and OUTPUT describe.

    Args:
        options: The verb's.
        concurrency: Calls in the air, where no option says it.
        region: Where calls go unless an option says it.
    """
    shown = output(options)
    configure(verbosity=shown.verbosity, as_json=shown.log_format == "json")
    reached = target(options if concurrency is None else {**options, "concurrency": concurrency})
    reached = replace(reached, region=reached.region or region)
    return Session(options["ledger"], target=reached, read_rate=options["read_rate"])
