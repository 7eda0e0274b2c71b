"""Loading the manifest that the options name, and reporting its warnings and problems."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Final, TypeVar

import click

from batchrun.cli.options import PLAIN, Output, Service
from batchrun.cli.signals import interruptible
from batchrun.cli.speak import complain, emit
from batchrun.errors import ManifestError, ManifestWarning, UsageError
from batchrun.manifest import Format, Manifest, Source, contents_of, load, loaded_together
from batchrun.manifest.problems import shown
from batchrun.manifest.sheet_wishes import SheetOptions
from batchrun.manifest.spool import RowPlaces
from batchrun.manifest.table import TableOptions, delimiter, encoding, header

if TYPE_CHECKING:
    from batchrun.api.objects import ObjectsOnce
    from batchrun.cli.manifest_options import ManifestOptions

_T = TypeVar("_T")
_NOT_READ: Final = "{} is skipped: workbooks in a folder are not read; give it alone, or save it as CSV"
_PASSED_OVER: Final = "{} is skipped: it holds {}, not rows; use it with {} FILE"


def source(options: ManifestOptions, *, strict: bool = False, goes_together: bool = False) -> Source:
    """Return the options' source; with *goes_together*, all rows must be fit for StartRunBatch."""
    options.check()
    return Source(
        path=options.path,
        is_each_file=options.each_file is not None,
        verb=_verb(),
        format=Format(options.manifest_format) if options.manifest_format else None,
        batch=options.batch,
        defaults=options.defaults,
        parameters_from=options.parameters_from,
        sets=options.sets,
        lanes=options.lanes,
        env=options.env,
        strict=strict,
        tags=options.tags,
        goes_together=goes_together,
        asked=TableOptions(
            delimiter=_read("--delimiter", options.delimiter, delimiter),
            encoding=_read("--encoding", options.encoding, encoding),
            worksheet=options.worksheet,
            header=_read("--header", options.header, header),
        ),
        sheet=SheetOptions(
            id=options.id,
            group_by=options.group_by,
            parameters=options.parameter,
            columns_as_parameters=_read("--columns-as-parameters", options.columns_as_parameters, header)
            or (),
        ),
    )


def _verb() -> str:
    """Return the verb as typed after the program's name."""
    context = click.get_current_context(silent=True)
    return "check" if context is None else context.command_path.partition(" ")[2]


def _read(name: str, text: str | None, read: Callable[[str], _T]) -> _T | None:
    if text is None:
        return None
    try:
        return read(text)
    except ValueError as error:
        raise UsageError(f"{name} {shown(text)}: {error}") from error


def loaded(
    wanted: Source, objects: ObjectsOnce, output: Output = PLAIN, *, places: RowPlaces | None = None
) -> Manifest:
    """Load a manifest and report its warnings and problems as *output* says, also as JSON lines if it does.

    The place of each row is recorded in *places*; *objects* are closed afterwards.

    Raises:
        ManifestError: It has problems, or has warnings and the source is strict.
        ServiceUnusableError: It is in S3, and S3 cannot be asked.
    """
    # Reading standard input or a pipe may wait for the writer.
    with _telling(output), interruptible(), objects:
        manifest = load(wanted, objects=objects, places=places)
    tell_warnings(manifest.warnings, manifest.warning_count, output)
    return manifest


def sources_in(wanted: Source, output: Output, *, besides: Collection[str] = ()) -> Sequence[Source]:
    """Return the manifests of the folder that *wanted* names.

    Files whose content shows that they are not manifests are named, unless *output* is quiet.
    """
    with _telling(output):
        found = contents_of(wanted.path, besides=[*wanted.shared_files, *besides])
    if not output.quiet:
        for path, option in found.shared.items():
            complain(_PASSED_OVER.format(path, option.removeprefix("--"), option))
        for path in found.workbooks:
            complain(_NOT_READ.format(path))
    return [replace(wanted, path=path) for path in found.manifests]


@contextmanager
def loaded_folder(
    sources: Sequence[Source], objects: ObjectsOnce, output: Output
) -> Iterator[Sequence[Manifest]]:
    """Load the manifests of a folder, as :func:`loaded` loads one; report all problems."""
    with ExitStack() as stack:
        with _telling(output), interruptible(), objects:
            manifests = stack.enter_context(loaded_together(sources, objects=objects))
        tell_all_warnings(manifests, output)
        yield manifests


@contextmanager
def taken(
    options: ManifestOptions,
    objects: ObjectsOnce,
    output: Output,
    *,
    strict: bool,
    goes_together: bool = False,
    besides: Collection[str] = (),
    places: RowPlaces | None = None,
    **of_one: object,
) -> Iterator[Sequence[Manifest]]:
    """Load a manifest, or those of a folder; for a folder the options *of_one* raise UsageError."""
    wanted = source(options, strict=strict, goes_together=goes_together)
    if options.is_folder:
        refuse_for_folder(options, **of_one)
        with loaded_folder(sources_in(wanted, output, besides=besides), objects, output) as manifests:
            yield manifests
    else:
        with loaded(wanted, objects, output, places=places) as manifest:
            yield [manifest]


def refuse_for_folder(options: ManifestOptions, **of_one: object) -> None:
    """Raise UsageError if one of these options, or one for a single manifest, is given with a folder."""
    for name, value in {"batch": options.batch, "format": options.manifest_format, **of_one}.items():
        if value:
            raise UsageError(f"--{name} is for one manifest, and {options.manifest} is a folder of them")


def refuse_beside_lanes(manifests: Iterable[Manifest], service: Service) -> None:
    """Raise UsageError if an option sets for all lanes what each lane sets itself."""
    given = {"region": service.region, "profile": service.profile, "endpoint-url": service.endpoint_url}
    named = [f"--{name}" for name, value in given.items() if value]
    for manifest in manifests:
        if manifest.lanes and named:
            raise UsageError(
                f"{' and '.join(named)} cannot be given: {manifest.batch} has lanes, and each says its own "
                "region, profile and endpoint_url; write it there, or set AWS_REGION or AWS_PROFILE for "
                "lanes that do not say ('batchrun config' shows where an option comes from)"
            )


@contextmanager
def _telling(output: Output) -> Iterator[None]:
    """Report the problems of a manifest that cannot be loaded, also as JSON lines if wanted."""
    try:
        yield
    except ManifestError as error:
        tell_warnings(error.warnings, len(error.warnings), output)
        if output.as_json:
            emit_problems(error)
        raise


def emit_problems(error: ManifestError) -> None:
    """Report a manifest's problems as JSON lines; warnings treated as errors stay warnings."""
    for problem in error.problems:
        if isinstance(problem, ManifestWarning):
            emit("warning", **asdict(problem))
        else:
            emit("problem", **asdict(problem))


def tell_all_warnings(manifests: Iterable[Manifest], output: Output) -> None:
    """Report the warnings of each manifest."""
    for manifest in manifests:
        tell_warnings(manifest.warnings, manifest.warning_count, output)


def tell_warnings(warnings: Sequence[ManifestWarning], total: int, output: Output) -> None:
    """Report a manifest's warnings on stderr, and as JSON lines if the user wants those."""
    for warning in warnings:
        if output.as_json:
            emit("warning", **asdict(warning))
        if not output.quiet:
            complain(f"warning: {warning!s}")
    if total > len(warnings) and not output.quiet:
        complain(f"warning: ... and {total - len(warnings)} more")
