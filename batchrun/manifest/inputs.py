"""
The objects in S3 that rows want to read.

Belongs here: finding them among the parameters, and telling which are not there. Does not: looking
(``service``).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from batchrun.manifest.problems import dotted, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batchrun.manifest.problems import Path
    from batchrun.manifest.template_check import Findings
    from batchrun.model.spec import Json, Spec

_S3: Final = "s3://"
_GLOB: Final = frozenset("*?[]{}")


def inputs_of(spec: Spec) -> Iterator[tuple[str, str]]:
    """
    Give each object that a spec's parameters name, with its field.

    Prefixes and patterns are passed over, for there is no one object to look for.
    """
    yield from _objects(json.loads(spec.request).get("parameters"), ("parameters",))


def _objects(value: Json, path: Path) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        bucket, _, key = value.removeprefix(_S3).partition("/")
        if value.startswith(_S3) and bucket and key and not key.endswith("/") and _GLOB.isdisjoint(value):
            yield value, dotted(path)
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _objects(part, (*path, name))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _objects(part, (*path, index))


def check_inputs(
    specs: Iterator[Spec], trouble: Callable[[str], tuple[str, str] | None], findings: Findings
) -> None:
    """Take down each input with which there is trouble; *trouble* gives the message's end, and the cure."""
    for spec in specs:
        for uri, name in inputs_of(spec):
            if wrong := trouble(uri):
                what, cure = wrong
                findings.add(spec.position, spec.id, (name, f"{printable(uri, 200)} {what}", cure))
