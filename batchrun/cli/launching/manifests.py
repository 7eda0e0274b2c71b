"""
The manifest options as a manifest, for every verb that takes one.

Belongs here: from options to a loaded manifest, and its problems as JSON. Does not: reading (``manifest``).
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from batchrun.cli.speak import emit
from batchrun.errors import ManifestError, UsageError
from batchrun.manifest import Format, Manifest, Source, load, loaded_together, manifests_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from batchrun.manifest.places import RowPlaces


def source(options: Mapping[str, Any]) -> Source:
    """Make the source that the options describe."""
    chosen = options["manifest_format"]
    return Source(
        path=options["manifest"],
        format=Format(chosen) if chosen else None,
        batch=options["batch"],
        defaults=tuple(options["defaults"]),
        sets=tuple(options["sets"]),
        tags=options["tags"],
    )


def loaded(wanted: Source, *, as_json: bool, places: RowPlaces | None = None) -> Manifest:
    """
    Load a manifest; its problems, if any, are also told as JSON lines where the user wants those.

    Raises:
        ManifestError: It has problems.
    """
    try:
        return load(wanted, places=places)
    except ManifestError as error:
        if as_json:
            emit_problems(error)
        raise


@contextmanager
def loaded_folder(
    wanted: Source, *, as_json: bool, besides: Collection[str] = ()
) -> Iterator[Sequence[Manifest]]:
    """
    Load the manifests of the folder that *wanted* names, as :func:`loaded` does one.

    Raises:
        ManifestError: Any of them has problems; it has those of all.
    """
    with ExitStack() as stack:
        try:
            paths = manifests_in(wanted.path, besides=[*wanted.defaults, *besides])
            sources = [replace(wanted, path=path) for path in paths]
            manifests = stack.enter_context(loaded_together(sources))
        except ManifestError as error:
            if as_json:
                emit_problems(error)
            raise
        yield manifests


def refuse_for_folder(options: Mapping[str, Any], *names: str) -> None:
    """Raise UsageError where one of these options, by click's names, is given with a folder."""
    for name in names:
        if options[name]:
            said = name.removeprefix("manifest_")
            raise UsageError(f"--{said} is for one manifest, and {options['manifest']} is a folder of them")


def emit_problems(error: ManifestError) -> None:
    """Tell a manifest's problems as JSON lines."""
    for problem in error.problems:
        emit("problem", **asdict(problem))
