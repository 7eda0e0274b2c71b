"""
Logs: structlog on stderr, as lines or as JSON, with batch, id, attempt and run id bound where they apply.

Beside a live display they are sentences, of what is wrong alone. Belongs here: how log events look. Does not:
what is logged when. Values are shown as they are, so credentials must never be given to a logger; a test
reads every log for them.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final

import structlog

from batchrun.cli.speak import complain, let_libraries_log, printable, write
from batchrun.model.texts.foreign import shortened

if TYPE_CHECKING:
    from batchrun.cli.options import Output

#: Where a line that is too long for a terminal continues.
_HANG: Final = 4
#: Facts of an event that are sentences by themselves; others need their names.
_SAID: Final = frozenset({"message", "reason", "why", "error", "last", "note", "instead", "cure"})
#: Facts that those who watch one batch know.
_KNOWN: Final = frozenset({"event", "level", "timestamp", "batch"})


def configure_as(output: Output, *, is_drawn: bool = False) -> None:
    """Set up logging for the process as a verb's options say."""
    configure(verbosity=output.verbosity, as_json=output.log_format == "json", is_drawn=is_drawn)


def configure(*, verbosity: int, as_json: bool, is_drawn: bool = False) -> None:
    """
    Set up logging for the process.

    Args:
        verbosity: -1 for warnings alone, 0 for changes of state, 1 and more for every retry.
        as_json: One JSON object a line, instead of text.
        is_drawn: Progress is drawn already: unless more was asked for, only warnings, as sentences.
    """
    is_drawn = is_drawn and not as_json and verbosity <= 0
    verbosity = -1 if is_drawn else verbosity
    level = {-1: logging.WARNING, 0: logging.INFO}.get(max(verbosity, -1), logging.DEBUG)
    if verbosity > 0:
        let_libraries_log(_Lines(logging.WARNING))
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _each_text(shortened),
            *_renderers(as_json=as_json, is_drawn=is_drawn),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_names: _Stderr(hang=None if as_json else _HANG),
        cache_logger_on_first_use=False,
    )


def _renderers(*, as_json: bool, is_drawn: bool) -> list[structlog.typing.Processor]:
    if as_json:
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    if is_drawn:
        return [_each_text(printable), _sentence]
    return [_each_text(printable), structlog.dev.ConsoleRenderer(colors=False, pad_event_to=24)]


def _each_text(change: Callable[[str], str]) -> structlog.typing.Processor:
    """Return what makes *change* in each text of an event."""

    def changed(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for key, value in event.items():
            if isinstance(value, str):
                event[key] = change(value)
        return event

    return changed


def _sentence(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    """Say an event to people: what it is, its facts, and what is to be said of it."""
    words, known = str(event["event"]).replace("_", " "), {*_SAID, *_KNOWN}
    if words.startswith("lane ") and "lane" in event:  # of one that is named
        words, known = words.replace("lane", f"lane {event['lane']}", 1), {*known, "lane"}
    said = [str(value) for key, value in event.items() if key in _SAID and value]
    facts = [f"{key.replace('_', ' ')} {value}" for key, value in event.items() if key not in known]
    about = f" ({', '.join(facts)})" if facts else ""
    return f"{event['level']}: {words}{about}{': ' if said else ''}{'; '.join(said)}"


class _Stderr:
    """Writes to whatever sys.stderr is at the moment: the live display puts itself in its place."""

    def __init__(self, *, hang: int | None) -> None:
        self._hang = hang

    def msg(self, message: str) -> None:
        if self._hang is None:
            write(sys.stderr, f"{message}\n")
        else:
            complain(message, hang=self._hang)

    log = debug = info = warn = warning = error = critical = exception = msg


class _Lines(logging.Handler):
    """Makes events of ours of what libraries log, without their tracebacks."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().warning(record.name, said=record.getMessage())
