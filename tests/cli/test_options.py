"""What verbs are told: the type of each field is what its option makes of what was typed."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import fields, is_dataclass
from typing import Any

import click
import pytest

import batchrun.cli
from batchrun.cli.command import made, parameters
from batchrun.cli.options import Output, Service
from batchrun.cli.values import Duration, FailureLimit, PacedRate, Retry

TYPES: dict[type[click.ParamType[Any]], str] = {
    Duration: "float",
    FailureLimit: "StopAfter",
    PacedRate: "Rate",
    Retry: "RetryRule",
    click.types.FloatParamType: "float",
    click.types.IntParamType: "int",
}


def classes() -> dict[str, type]:
    """Return every class of which a verb is told one, or a part of one."""
    names = [one.name for one in pkgutil.walk_packages(batchrun.cli.__path__, "batchrun.cli.")]
    found = {}
    for module in map(importlib.import_module, names):
        for one in vars(module).values():
            is_told = isinstance(one, type) and is_dataclass(one)
            if is_told and any({"parameter", "group"} & set(part.metadata) for part in fields(one)):
                found[f"{one.__module__}.{one.__qualname__}"] = one
    return found


CLASSES = classes()


def type_of(parameter: click.Parameter) -> str:
    """Return the annotation that fits what click makes of this."""
    if isinstance(parameter, click.Option) and (parameter.is_flag or parameter.count):
        return "bool" if parameter.is_flag else "int"
    base = next((name for kind, name in TYPES.items() if isinstance(parameter.type, kind)), "str")
    if parameter.multiple or (parameter.nargs == -1 and parameter.callback is None):
        return f"tuple[{base}, ...]"
    is_there = parameter.required or isinstance(parameter.default, str | int | float)
    return base if is_there else f"{base} | None"


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_a_field_has_the_type_of_what_sets_it(name):
    for one in fields(CLASSES[name]):
        if "group" in one.metadata:
            assert one.type.rpartition(".")[2] == one.metadata["group"].__name__, one.name
        else:
            assert one.type == type_of(one.metadata["parameter"](one.name)), one.name


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_no_two_fields_are_set_by_one_name(name):
    """Or the one would have what was typed for the other."""
    names = [one.name for one in parameters(CLASSES[name])]
    assert len(set(names)) == len(names)


def test_groups_are_made_of_the_same_values():
    values: dict[str, Any] = {"profile": "lab", "region": None, "endpoint_url": None, "timeout": 3.0}
    output: dict[str, Any] = {"as_json": True, "log_format": "human", "verbose": 2, "quiet": False}
    assert made(Service, values | output) == Service(
        profile="lab", region=None, endpoint_url=None, timeout=3.0
    )
    assert made(Output, values | output).verbosity == 2
