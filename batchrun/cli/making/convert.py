"""A conversion from end to end: read, write, and read again to check that the result means the same.

Belongs here: which fields go where in each format, and the messages. Does not: the formats (``manifest``),
options (``options``).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from batchrun.api.objects import ObjectsOnce
from batchrun.api.written_manifests import defaults_kind, manifest_kind
from batchrun.cli.calling import login_to
from batchrun.cli.launching.manifests import loaded, source
from batchrun.cli.showing.output_file import drafted, file_or_stdout
from batchrun.cli.speak import STDOUT, complain, say
from batchrun.errors import InvariantError, UsageError
from batchrun.manifest import Format, Manifest, Source, load, native
from batchrun.manifest.lanes.writing import laned_row, written_lanes
from batchrun.manifest.source import format_of, name_of
from batchrun.manifest.write import write, write_defaults
from batchrun.manifest.written_rows import NO_LANES, WrittenLanes, WrittenRows, shared_fields
from batchrun.model.entries.retrying import RetryPolicy
from batchrun.model.spec import Json
from batchrun.model.texts.words import counted
from batchrun.report.outputs import ProtectedFiles

if TYPE_CHECKING:
    from batchrun.cli.making.options import ConvertOptions

NATIVE: Final = "native"
_RETRY_LEFT_OUT: Final = (
    "note: this format cannot hold retry:, which was left out; keep it in a YAML or JSON manifest, which may "
    "name a CSV, TSV or JSON Lines file as its runs:"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """The options of ``batchrun manifest convert``."""

    source: Source
    objects: Callable[[], ObjectsOnce]  #: makes a reader of objects in S3, for each reading
    options: ConvertOptions
    form: Format

    @classmethod
    def of(cls, options: ConvertOptions) -> Self:
        """Return the conversion of the command's options. Raises UsageError if they cannot be combined."""
        output, wanted = options.output, options.to
        form = Format.JSON if wanted == NATIVE else output_format(output, wanted)
        if options.defaults_out == STDOUT:
            raise UsageError("--defaults-out names a file; only -o may be -")
        if options.defaults_out and form.is_document and wanted != NATIVE:
            raise UsageError(
                f"--defaults-out is for formats without defaults; {form.value} holds them itself"
            )
        return cls(
            source=source(options.manifest, strict=options.strict),
            objects=partial(ObjectsOnce, login_to(options.account)),
            options=options,
            form=form,
        )

    @property
    def is_native(self) -> bool:
        """Whether the output is for ``aws omics start-run-batch``."""
        return self.options.to == NATIVE

    @property
    def is_settings(self) -> bool:
        """Whether the output is AWS's array of run settings, for a file in S3."""
        return self.is_native and self.options.defaults_out is not None

    @property
    def holds_retry(self) -> bool:
        """Whether the output can have a retry policy."""
        return self.form.is_document and not self.is_native

    @property
    def holds_batch(self) -> bool:
        """Whether the output can have the batch's name."""
        return self.form.is_document and not self.is_settings


def output_format(output: str, wanted: str | None) -> Format:
    """Return the format given, or by the file's extension. Raises UsageError without either."""
    if wanted is not None:
        return Format(wanted)
    try:
        return format_of(output)
    except Exception as error:
        names = ", ".join(one.value for one in Format)
        raise UsageError(f"the name '{output}' shows no format; give --to with one of {names}") from error


def convert(wanted: Conversion) -> None:
    """Write the manifest in another format.

    Raises:
        ManifestError: The manifest has problems, or values that the format cannot express.
        UsageError: The output cannot be written, or would leave out sheets of runs.
        InvariantError: The output does not mean the same; it was deleted.
    """
    with loaded(wanted.source, wanted.objects()) as manifest, ExitStack() as stack:
        if manifest.has_own_sheets:
            raise UsageError(
                "sheet_out writes sheets when runs are started, which the written manifest could not do"
            )
        _check_lanes(wanted, manifest)
        options, defaults = wanted.options, None
        to = partial(file_or_stdout, protected=ProtectedFiles(read=manifest.read), force=options.force)
        draft = stack.enter_context(drafted(to(options.output, manifest_kind(wanted.form))))
        if options.defaults_out:
            kind = defaults_kind(_defaults_format(wanted))
            beside = to(options.defaults_out, kind, option="--defaults-out FILE")
            defaults = stack.enter_context(drafted(beside))
        (_write_native if wanted.is_native else _write)(wanted, manifest, draft, defaults)
        _compare(wanted, manifest, draft, defaults)
        batch, count = manifest.batch, manifest.count
    _tell(wanted, batch, count)
    if not wanted.holds_retry and manifest.retry != RetryPolicy():
        complain(_RETRY_LEFT_OUT)


def _check_lanes(wanted: Conversion, manifest: Manifest) -> None:
    """Raise UsageError if the output cannot have the lanes of this manifest."""
    if not manifest.lanes:
        return
    if wanted.is_native:
        raise UsageError("a StartRunBatch has no lanes: convert the rows of one account and region")
    if not wanted.holds_retry and wanted.source.lanes is None:
        raise UsageError(
            f"{wanted.form.value} cannot hold lanes: write YAML or JSON, or put lanes: into a file of their "
            "own and give it with --lanes"
        )
    if not wanted.holds_retry and any(rule.lanes for rule in manifest.retry.rules):
        raise UsageError(
            f"{wanted.form.value} cannot hold retry:, which leads to other lanes: write YAML or JSON"
        )


def _write(wanted: Conversion, manifest: Manifest, draft: Path, defaults: Path | None) -> None:
    is_said = wanted.holds_batch or _name_says_it(wanted, manifest.batch)
    batch = manifest.batch if is_said else None
    rows = _rows(manifest, batch)
    shared = shared_fields(rows) if wanted.form.is_document or defaults else {}
    lanes = NO_LANES
    if manifest.lane_texts is not None:
        lanes = written_lanes(manifest.lanes, manifest.lane_texts, manifest.specs())
    shared = {name: value for name, value in shared.items() if name not in lanes.texts}
    if lanes.texts and not (wanted.form.is_document or defaults):
        raise UsageError(
            f"what the rows share differs from lane to lane ({', '.join(lanes.texts)}): give --defaults-out "
            "FILE for it"
        )
    with draft.open("w", encoding="utf-8", newline="") as file:
        write(
            rows,
            file,
            wanted.form,
            batch=batch,
            defaults=shared,
            lanes=lanes,
            retry=manifest.retry,
            source=name_of(wanted.source.path),
        )
    if defaults:
        _write_defaults(wanted, defaults, shared, lanes)


def _write_native(wanted: Conversion, manifest: Manifest, draft: Path, defaults: Path | None) -> None:
    # Names are written out: AWS would generate others.
    rows = _rows(manifest, None)
    name = name_of(wanted.source.path)
    common = native.survey(rows, source=name)
    with draft.open("w", encoding="utf-8", newline="") as file:
        if defaults:
            native.write_settings(rows, file, common=common)
            _write_defaults(wanted, defaults, common)
        else:
            native.write(rows, file, batch=manifest.batch, common=common, source=name)


def _rows(manifest: Manifest, batch: str | None) -> WrittenRows:
    return lambda: (laned_row(spec, batch) for spec in manifest.specs())


def _write_defaults(
    wanted: Conversion, draft: Path, fields: Mapping[str, Json], lanes: WrittenLanes = NO_LANES
) -> None:
    if not (fields or lanes.texts):
        raise UsageError("the rows have nothing in common: leave --defaults-out out")
    with draft.open("w", encoding="utf-8", newline="") as file:
        write_defaults(fields, file, _defaults_format(wanted), lanes=lanes)


def _defaults_format(wanted: Conversion) -> Format:
    form = output_format(str(wanted.options.defaults_out), None)
    if not form.is_document:
        raise UsageError("defaults are a table: give --defaults-out the name of a YAML or JSON file")
    return form


def _name_says_it(wanted: Conversion, batch: str) -> bool:
    return wanted.options.output != STDOUT and Path(wanted.options.output).stem == batch


def _compare(wanted: Conversion, manifest: Manifest, draft: Path, defaults: Path | None) -> None:
    """Read the output as its reader will, and compare it with the manifest."""
    with ExitStack() as stack:
        layers: tuple[str, ...] = ()
        if defaults:
            # The format of defaults follows from the file's name, which the draft does not have yet.
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="batchrun-"))
            with_name = Path(folder) / f"draft.{_defaults_format(wanted).value}"
            with_name.symlink_to(defaults.absolute())
            layers = (str(with_name),)
        written = Source(
            path=str(draft),
            format=wanted.form,
            batch=None if wanted.holds_batch else manifest.batch,
            defaults=layers,
            lanes=wanted.source.lanes,
            tags=wanted.source.tags,
        )
        in_s3 = stack.enter_context(wanted.objects())
        again = stack.enter_context(load(written, objects=in_s3))
        retry = manifest.retry if wanted.holds_retry else RetryPolicy()
        if manifest.lanes and again.digest != manifest.digest:
            raise UsageError(
                "some row has a text of its own that differs from lane to lane ({lane}), which cannot be "
                "written: put it among the defaults, or into the lanes' set"
            )
        if (again.batch, again.digest, again.retry) != (manifest.batch, manifest.digest, retry):
            raise InvariantError(
                f"the rows would not mean the same in {wanted.form.value}; nothing was written"
            )


def _tell(wanted: Conversion, batch: str, count: int) -> None:
    if wanted.options.output != STDOUT:
        also = (
            f", and what they share in {wanted.options.defaults_out}" if wanted.options.defaults_out else ""
        )
        say(f"{wanted.options.output}: {counted(count, 'row')}{also}")
    if not wanted.holds_batch and not _name_says_it(wanted, batch):
        complain(
            f"note: {wanted.form.value} cannot hold the batch's name; to continue the same batch, give "
            f"--batch {batch}"
        )
