"""Logs: structlog on stderr, as lines or as JSON, with batch, id, attempt and run id bound where they apply.

Beside a live display they are sentences, and only report problems. Belongs here: the form of log events. Does
not: what is logged when. Values are shown as they are, so credentials must never be given to a logger; a test
searches every log for them.
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

#: Indentation of the rest of a line that is too long for a terminal.
_HANG: Final = 4
#: Facts of an event that are sentences by themselves; others are shown with their names.
_SAID: Final = frozenset({"message", "reason", "why", "error", "last", "note", "instead", "cure"})
#: Facts that are left out where a single batch is watched.
_KNOWN: Final = frozenset({"event", "level", "timestamp", "batch"})


def configure(output: Output, *, usual: int = 0, is_drawn: bool = False) -> None:
    """Set up logging for the process by a verb's options.

    Args:
        output: What was asked for: one JSON object per line instead of text, and how much.
        usual: How much if nothing was: -1 for warnings only, 0 for changes of state.
        is_drawn: Progress is drawn: only warnings, as sentences, unless more was asked for.
    """
    verbosity, as_json = output.verbosity or usual, output.log_format == "json"
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
    """Return a processor that applies *change* to each text of an event."""

    def changed(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for key, value in event.items():
            if isinstance(value, str):
                event[key] = change(value)
        return event

    return changed


def _sentence(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    """Return an event as a sentence: its name, its facts, and those that are sentences themselves."""
    words, known = str(event["event"]).replace("_", " "), {*_SAID, *_KNOWN}
    if words.startswith("lane ") and "lane" in event:  # the lane is named anyway
        words, known = words.replace("lane", f"lane {event['lane']}", 1), {*known, "lane"}
    said = [str(value) for key, value in event.items() if key in _SAID and value]
    facts = [f"{key.replace('_', ' ')} {value}" for key, value in event.items() if key not in known]
    about = f" ({', '.join(facts)})" if facts else ""
    return f"{event['level']}: {words}{about}{': ' if said else ''}{'; '.join(said)}"


class _Stderr:
    """Writes to the present sys.stderr, which the live display replaces."""

    def __init__(self, *, hang: int | None) -> None:
        self._hang = hang

    def msg(self, message: str) -> None:
        if self._hang is None:
            write(sys.stderr, f"{message}\n")
        else:
            complain(message, hang=self._hang)

    log = debug = info = warn = warning = error = critical = exception = msg


class _Lines(logging.Handler):
    """Converts libraries' log records to our events, without their tracebacks."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().warning(record.name, said=record.getMessage())
