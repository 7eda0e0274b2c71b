"""A run's outputs: by the workflow's names, or the files at its output place.

WDL writes a file as text, CWL as a table with its ``location``; Nextflow writes no list, so its files only
have keys. Belongs here: reading these lists, and naming files by patterns. Does not: calls
(``service.s3.run_outputs``), writing them for people (``cli.verbs.outputs``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from batchrun.model.texts.foreign import storable
from batchrun.model.texts.places import matcher

if TYPE_CHECKING:
    from batchrun.model.spec import Json

#: CWL's classes of files and folders.
_PLACED: Final = frozenset({"File", "Directory"})
#: CWL's key for companions of a file, such as an index, and the suffix of their outputs' names.
_BESIDE: Final = "secondaryFiles"
#: Suffix of a name for a list of any number of files.
_MANY: Final = "[]"
#: The engine's own files, not outputs of the workflow.
_LOGS: Final = "logs/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The outputs of one run."""

    outputs: Mapping[str, Json] = field(default_factory=dict)  #: by name; files as ``s3://BUCKET/KEY``
    files: tuple[str, ...] = ()  #: listed files without a name
    is_listed: bool = False  #: whether it was found by listing
    has_more: bool = False  #: whether there are more files than were listed


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedFiles:
    """A name for listed files."""

    name: str
    pattern: str  #: of keys below the run's place, as in :mod:`places`
    is_many: bool = False  #: whether there may be any number of them


def read_name(text: str) -> NamedFiles | None:
    """Return the name in ``NAME=PATTERN`` or ``NAME[]=PATTERN``; None for any other text."""
    name, is_one, pattern = text.partition("=")
    is_many = name.endswith(_MANY)
    name = name.removesuffix(_MANY)
    if not (is_one and name and pattern):
        return None
    return NamedFiles(name=name, pattern=pattern, is_many=is_many)


def told(document: Mapping[str, Json]) -> Made:
    """Return the outputs in an engine's list."""
    outputs: dict[str, Json] = {}
    for name, value in document.items():
        beside: list[Json] = []
        output = _written(name)
        outputs[output] = _plain(value, beside)
        if beside:
            outputs[f"{output}.{_BESIDE}"] = beside
    return Made(outputs=outputs)


def _plain(value: Json, beside: list[Json]) -> Json:
    """Return *value* as plain JSON, with URIs in place of CWL's file objects."""
    if isinstance(value, list):
        return [_plain(one, beside) for one in value]
    if isinstance(value, str):
        return _written(value)
    if not isinstance(value, dict):
        return None if isinstance(value, float) and not math.isfinite(value) else value
    place = value.get("location") or value.get("path")
    if value.get("class") in _PLACED and isinstance(place, str):
        own = value.get(_BESIDE)
        for one in own if isinstance(own, list) else []:
            beside.append(_plain(one, beside))
        return _written(place)
    return {_written(name): _plain(one, beside) for name, one in value.items()}


def _written(text: str) -> str:
    return storable(text, len(text))


def found(place: str, uris: Sequence[str], names: Sequence[NamedFiles], *, has_more: bool) -> Made:
    """Return the listed files at *place*, a run's ``runOutputUri``, named by *names*.

    A file that matches several names is in each of them.
    """
    fits = [(one, matcher(one.pattern)) for one in names]
    named: dict[str, list[str]] = {one.name: [] for one in names}
    others: list[str] = []
    base = f"{place.rstrip('/')}/"
    for uri in uris:
        key = uri.removeprefix(base)
        if key.startswith(_LOGS) or key.endswith("/"):
            continue
        fitting = [one.name for one, is_fit in fits if is_fit(key)]
        for into in [named[name] for name in fitting] or [others]:
            into.append(uri)
    return Made(
        outputs={one.name: _one_or_all(named[one.name], one) for one in names if named[one.name]},
        files=tuple(others),
        is_listed=True,
        has_more=has_more,
    )


def _one_or_all(uris: list[str], name: NamedFiles) -> Json:
    is_one = len(uris) == 1 and not name.is_many
    return uris[0] if is_one else [*uris]


def ambiguous(made: Made, names: Sequence[NamedFiles]) -> str | None:
    """Return a name for one file that matches several files, or None."""
    return next(
        (one.name for one in names if not one.is_many and isinstance(made.outputs.get(one.name), list)), None
    )


def leaves(value: Json) -> Iterator[Json]:
    """Yield the scalars within *value*."""
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from leaves(one)
    else:
        yield value
