"""What a launch logs goes through ``logging``, unless the program has configured structlog.

By itself structlog prints each event to stdout, which is the program's own. Does not belong here: how the
command line shows what is logged (``cli.logs``).
"""

from __future__ import annotations

import logging
from typing import Any, Final

import structlog

_OURS: Final = "batchrun"


def lead_to_logging() -> None:
    """Have ``logging`` take what we log, by our modules' names; what others log stays where it was."""
    if not structlog.is_configured():
        structlog.configure(logger_factory=_logger)


def _logger(*names: Any) -> Any:
    name = str(names[0]) if names else ""
    return logging.getLogger(name) if name.partition(".")[0] == _OURS else structlog.PrintLogger()
