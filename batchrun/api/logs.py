"""What a launch logs goes through ``logging``, unless the program has configured structlog.

By itself structlog prints each event to stdout, which is the program's own. Does not belong here: how the
command line shows what is logged (``cli.logs``).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

import structlog
from structlog.stdlib import filter_by_level

_OURS: Final = "batchrun"


def lead_to_logging() -> None:
    """Have ``logging`` take what we log, by our modules' names; what others log stays as it was."""
    if not structlog.is_configured():
        theirs = structlog.get_config()["processors"]
        structlog.configure(processors=[_ours_apart(theirs)], logger_factory=_logger)


def _logger(*names: Any) -> Any:
    name = str(names[0]) if names else ""
    return logging.getLogger(name) if _is_ours(name) else structlog.PrintLogger()


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == _OURS


def _ours_apart(theirs: Sequence[structlog.typing.Processor]) -> structlog.typing.Processor:
    """Return a processor that makes a plain message of our events, and does with others' as *theirs* do."""

    def processed(logger: Any, method: str, event: structlog.typing.EventDict) -> Any:
        result: Any = event
        is_ours = isinstance(logger, logging.Logger) and _is_ours(logger.name)
        for process in (filter_by_level, _message) if is_ours else theirs:
            result = process(logger, method, result)
        return result

    return processed


def _message(
    _logger: Any, _method: str, event: structlog.typing.EventDict
) -> tuple[tuple[str], dict[str, Any]]:
    """Return the arguments for a method of ``logging``, which adds time, level and traceback itself."""
    name, exc_info = event.pop("event"), event.pop("exc_info", None)
    facts = (f"{key}={value!r}" for key, value in event.items())
    return (" ".join((str(name), *facts)),), {"exc_info": exc_info}
