"""
What botocore and aiobotocore log: tracebacks of what we explain in a line of our own.

Belongs here: keeping them still, and passing them on to who wants to see more. Does not: our own logs
(``launching.logs``).
"""

from __future__ import annotations

import logging
from typing import Final

_FOREIGN: Final = ("botocore", "aiobotocore")


def silence() -> None:
    """Keep them still."""
    _give_to(logging.NullHandler())


def pass_on() -> None:
    """Pass on what they warn of, a line each."""
    _give_to(_Lines(logging.WARNING))


def _give_to(handler: logging.Handler) -> None:
    for name in _FOREIGN:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False


class _Lines(logging.Handler):
    """Makes events of ours of them, without their tracebacks."""

    def emit(self, record: logging.LogRecord) -> None:
        import structlog  # noqa: PLC0415 (takes long to import)

        structlog.get_logger().warning(record.name, said=record.getMessage())
