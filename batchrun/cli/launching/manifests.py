"""
The manifest options as a manifest, for every verb that takes one.

Belongs here: from options to a loaded manifest, its warnings, and its problems as JSON. Does not: reading
(``manifest``).
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from batchrun.cli.printable import printable
from batchrun.cli.signals import interruptible
from batchrun.cli.speak import complain, emit
from batchrun.cli.values import given_path
from batchrun.errors import ManifestError, ManifestWarning, UsageError
from batchrun.manifest import Format, Manifest, Source, defaults_in, load, loaded_together, manifests_in
from batchrun.manifest.problems import shown
from batchrun.manifest.sheets.wanted import SheetOptions
from batchrun.manifest.tables.table import TableOptions, delimiter, encoding, header

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from batchrun.api.objects import ObjectsOnce
    from batchrun.manifest.spool import RowPlaces

_T = TypeVar("_T")
_PASSED_OVER: Final = "{} is passed over: it has defaults, and no rows; --defaults FILE takes them"


def source(options: Mapping[str, Any]) -> Source:
    """Make the source that the options describe."""
    chosen, pattern = options["manifest_format"], options["each_file"]
    return Source(
        path=given_path(options["manifest"], pattern),
        is_each_file=pattern is not None,
        verb=_verb(),
        format=Format(chosen) if chosen else None,
        batch=options["batch"],
        defaults=tuple(options["defaults"]),
        parameters_from=tuple(options["parameters_from"]),
        sets=tuple(options["sets"]),
        env=tuple(options["env"]),
        strict=options.get("strict", False),
        tags=options["tags"],
        asked=_asked(options),
        sheet=_sheet(options),
    )


def _verb() -> str:
    """Return what was typed after the program's name."""
    context = click.get_current_context(silent=True)
    return "check" if context is None else context.command_path.partition(" ")[2]


def _asked(options: Mapping[str, Any]) -> TableOptions:
    return TableOptions(
        delimiter=_read("--delimiter", options["delimiter"], delimiter),
        encoding=_read("--encoding", options["encoding"], encoding),
        worksheet=options["worksheet"],
        header=_read("--header", options["header"], header),
    )


def _sheet(options: Mapping[str, Any]) -> SheetOptions:
    return SheetOptions(
        id=options["id"],
        group_by=tuple(options["group_by"]),
        parameters=tuple(options["parameters"]),
        columns_as_parameters=_read("--columns-as-parameters", options["columns_as_parameters"], header)
        or (),
    )


def _read(name: str, text: str | None, read: Callable[[str], _T]) -> _T | None:
    if text is None:
        return None
    try:
        return read(text)
    except ValueError as error:
        raise UsageError(f"{name} {shown(text)}: {error}") from error


def loaded(
    wanted: Source,
    objects: ObjectsOnce,
    *,
    as_json: bool,
    quiet: bool = False,
    places: RowPlaces | None = None,
) -> Manifest:
    """
    Load a manifest and tell its warnings, as JSON lines too where the user wants those, as its problems are.

    Args:
        wanted: What to read.
        objects: What lies in S3; it is closed.
        as_json: Whether problems and warnings are told so too.
        quiet: Whether warnings are not told in words.
        places: Takes down where each row stands.

    Raises:
        ManifestError: It has problems, or warnings where the source is to be strict.
        ServiceUnusableError: It lies in S3, which cannot be asked for it.
    """
    try:
        # It may wait for whoever writes to standard input or a pipe.
        with interruptible(), objects:
            manifest = load(wanted, objects=objects, places=places)
    except ManifestError as error:
        _tell_wrong(error, as_json=as_json, quiet=quiet)
        raise
    tell_warnings(manifest.warnings, manifest.warning_count, as_json=as_json, quiet=quiet)
    return manifest


@contextmanager
def loaded_folder(
    wanted: Source,
    objects: ObjectsOnce,
    *,
    as_json: bool,
    quiet: bool = False,
    besides: Collection[str] = (),
) -> Iterator[Sequence[Manifest]]:
    """
    Load the manifests of the folder that *wanted* names, as :func:`loaded` does one.

    What lies there besides and is told from a manifest by what is in it is named, unless it is to be *quiet*.

    Raises:
        ManifestError: Any of them has problems; it has those of all.
    """
    others = [*wanted.shared_files, *besides]
    with ExitStack() as stack:
        try:
            paths = manifests_in(wanted.path, besides=others)
            for path in () if quiet else defaults_in(wanted.path, besides=others):
                complain(printable(_PASSED_OVER.format(path)))
            sources = [replace(wanted, path=path) for path in paths]
            with interruptible(), objects:
                manifests = stack.enter_context(loaded_together(sources, objects=objects))
        except ManifestError as error:
            _tell_wrong(error, as_json=as_json, quiet=quiet)
            raise
        for manifest in manifests:
            tell_warnings(manifest.warnings, manifest.warning_count, as_json=as_json, quiet=quiet)
        yield manifests


def refuse_for_folder(options: Mapping[str, Any], *names: str) -> None:
    """Raise UsageError where one of these options, by click's names, is given with a folder."""
    for name in names:
        if options[name]:
            said = name.removeprefix("manifest_")
            raise UsageError(f"--{said} is for one manifest, and {options['manifest']} is a folder of them")


def emit_problems(error: ManifestError) -> None:
    """Tell a manifest's problems as JSON lines; warnings that are to be errors are told as warnings."""
    for problem in error.problems:
        if isinstance(problem, ManifestWarning):
            emit("warning", **asdict(problem))
        else:
            emit("problem", **asdict(problem))


def tell_warnings(warnings: Sequence[ManifestWarning], total: int, *, as_json: bool, quiet: bool) -> None:
    """Tell a manifest's warnings on stderr, and as JSON lines where the user wants those."""
    for warning in warnings:
        if as_json:
            emit("warning", **asdict(warning))
        if not quiet:
            complain(f"warning: {printable(str(warning))}")
    if total > len(warnings) and not quiet:
        complain(f"warning: ... and {total - len(warnings)} more")


def _tell_wrong(error: ManifestError, *, as_json: bool, quiet: bool) -> None:
    tell_warnings(error.warnings, len(error.warnings), as_json=as_json, quiet=quiet)
    if as_json:
        emit_problems(error)
