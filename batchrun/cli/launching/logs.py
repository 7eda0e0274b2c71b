"""
Logs: structlog on stderr, for people or as JSON, with batch, id, attempt and run id bound where they apply.

Belongs here: how log events look. Does not: what is logged when. Values are shown as they are, so credentials
must never be given to a logger; a test reads every log for them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import structlog

from batchrun.cli.foreign_logs import pass_on
from batchrun.cli.printable import printable
from batchrun.cli.speak import complain

if TYPE_CHECKING:
    from collections.abc import MutableMapping

#: Where a line that is too long for a terminal goes on.
_HANG: Final = 4


def configure(*, verbosity: int, as_json: bool) -> None:
    """
    Set up logging for the process.

    Args:
        verbosity: -1 for warnings alone, 0 for changes of substance, 1 and more for every retry.
        as_json: One JSON object a line, instead of text.
    """
    level = {-1: logging.WARNING, 0: logging.INFO}.get(max(verbosity, -1), logging.DEBUG)
    if verbosity > 0:
        pass_on()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *_renderers(as_json=as_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_names: _Stderr(hang=None if as_json else _HANG),
        cache_logger_on_first_use=False,
    )


def _renderers(*, as_json: bool) -> list[structlog.typing.Processor]:
    if as_json:
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    return [_make_printable, structlog.dev.ConsoleRenderer(colors=False, pad_event_to=24)]


def _make_printable(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = printable(value)
    return event


class _Stderr:
    """Writes to whatever sys.stderr is at the moment: the live display puts itself in its place."""

    def __init__(self, *, hang: int | None) -> None:
        self._hang = hang

    def msg(self, message: str) -> None:
        complain(message, hang=self._hang)

    log = debug = info = warn = warning = error = critical = exception = msg
