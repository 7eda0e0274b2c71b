"""
What the simulator tells of itself, and lets be changed: ``/_simulator/state`` and ``/_simulator/faults``.

What does not belong here: anything that the service has too.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from batchrun.simulator.options import parse_faults
from batchrun.simulator.refusal import RefusalError, invalid
from batchrun.simulator.wire import json_object, json_reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchrun.simulator.faults import FaultBook
    from batchrun.simulator.record import State
    from batchrun.simulator.wire import Inquiry, Reply

PATH = "/_simulator/"


def introspect(inquiry: Inquiry, faults: FaultBook, state: Callable[[], State]) -> Reply:
    """
    Answer what is asked about the simulator itself.

    Raises:
        RefusalError: it is something else.
    """
    match (inquiry.method, inquiry.path):
        case ("GET", "/_simulator/state"):
            return json_reply(state().as_json())
        case ("GET", "/_simulator/faults"):
            return _rules(faults)
        case ("POST", "/_simulator/faults"):
            # A page in a browser cannot send this type to another origin unasked.
            if inquiry.content_type != "application/json":
                raise invalid("Content-Type must be application/json")
            _change(faults, json_object(inquiry.body))
            return _rules(faults)
        case _:
            message = f"{inquiry.method} {inquiry.path[:200]} is not known"
            raise RefusalError("UnknownOperationException", message)


def _rules(faults: FaultBook) -> Reply:
    return json_reply({"rules": [asdict(rule) for rule in faults.rules]})


def _change(faults: FaultBook, wish: dict[str, Any]) -> None:
    """Take ``{"replace": "..."}`` or ``{"add": "..."}``, rules in the text of :mod:`options`."""
    if len(wish) != 1 or not wish.keys() <= {"replace", "add"}:
        raise invalid('give {"replace": "RULES"} or {"add": "RULES"}')
    ((verb, text),) = wish.items()
    try:
        rules = parse_faults(str(text))
    except ValueError as error:
        raise invalid(str(error)) from error
    if verb == "replace":
        faults.replace(rules)
    else:
        faults.add(*rules)
