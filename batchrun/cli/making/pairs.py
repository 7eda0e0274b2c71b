"""
Files into a manifest, from end to end: list, pair, write.

Belongs here: the order of things, and the words. Does not: pairing and formats (``manifest``), S3
(``service``).
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from batchrun.api.written_manifests import manifest_kind
from batchrun.cli.making import pairing_sheet
from batchrun.cli.making.convert import output_format
from batchrun.cli.making.file_names import file_under, listed_files
from batchrun.cli.making.name_patterns import limited
from batchrun.cli.making.pairing import Naming, Pairs, naming
from batchrun.cli.showing.output_file import drafted, named
from batchrun.cli.signals import interruptible, run_async
from batchrun.cli.speak import STDOUT, complain, say
from batchrun.cli.wording import counted, printable
from batchrun.errors import AccessDeniedError, NotFoundError, UsageError
from batchrun.manifest import Format
from batchrun.manifest.problems import Place, Problems, unreadable
from batchrun.manifest.source import name_of, opened
from batchrun.manifest.write import write
from batchrun.model.places import split_uri
from batchrun.report.outputs import Inputs

if TYPE_CHECKING:
    from batchrun.cli.making.options import PairOptions
    from batchrun.report.outputs import OutputFile

_S3: Final = "s3://"
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsJob:
    """Everything that ``batchrun manifest from-s3`` was told, once it is known to go together."""

    told: PairOptions
    naming: Naming
    form: Format

    @classmethod
    def of(cls, told: PairOptions) -> Self:
        """
        Make it of the command's options.

        Raises:
            ManifestError: The pattern, or a name, cannot be used.
            UsageError: Options cannot be combined.
        """
        if told.parameter and told.list_name:
            raise UsageError("give --parameter, or --list for lists: both say what parameters are called")
        if told.base is not None and not told.base.startswith(_S3):
            raise UsageError(
                printable(f"--base '{told.base}' is not a place in S3; write s3://BUCKET/FOLDER/")
            )
        if told.group_by and told.list_name:
            raise UsageError(
                "--list is for rows; with --group-by each parameter is a list, named by --parameter"
            )
        to_stdout = told.output == STDOUT and told.to is None
        form = Format.CSV if to_stdout else output_format(told.output, told.to)
        if told.group_by and (told.output == STDOUT or form is not Format.YAML):
            raise UsageError(
                "--group-by writes a manifest in YAML, and its sheet in CSV beside it: give -o FILE.yaml"
            )
        how = naming(told.pattern, parameter=told.parameter, list_name=told.list_name, group_by=told.group_by)
        return cls(told=told, naming=how, form=form)

    @property
    def is_sheet(self) -> bool:
        """Whether files become a sheet, and a manifest for it."""
        return bool(self.told.group_by)


def pair(wish: PairsJob) -> None:
    """
    Write the manifest.

    Raises:
        ManifestError: Files cannot be paired; nothing was written.
        UsageError: Something that was asked for cannot be done.
        ServiceError: S3 cannot be asked.
    """
    problems = Problems()
    output = _output(wish, wish.told.output, wish.form)
    beside = _output(wish, _sheet_of(wish), Format.CSV) if wish.is_sheet else None
    with limited(wish.naming.pattern) as match:
        pairs = Pairs(naming=wish.naming, match=match)
        if wish.told.source.startswith(_S3):
            run_async(_list, wish, pairs, problems)
        else:
            _read(wish, pairs, problems)
    pairs.check(problems)
    left_out = _left_out(wish, pairs, problems)
    problems.raise_any()
    rows = pairs.count - len(left_out)
    if not rows:
        raise _nothing(wish, pairs)
    if wish.is_sheet:
        _write_sheet(wish, pairs, left_out, output, beside)
    else:
        with drafted(output) as draft, draft.open("w", encoding="utf-8", newline="") as file:
            write(lambda: pairs.rows(left_out), file, wish.form, source=wish.told.source)
    _tell(wish, pairs, rows)


def _output(wish: PairsJob, path: str, form: Format) -> OutputFile | None:
    read = () if wish.told.source.startswith(_S3) or wish.told.source == STDOUT else (wish.told.source,)
    kind = manifest_kind(form)
    return named(path, kind, option="-o FILE", inputs=Inputs(read=read), force=wish.told.force)


def _sheet_of(wish: PairsJob) -> str:
    """Name the sheet that lies beside the manifest."""
    return str(Path(wish.told.output).with_suffix(".csv"))


def _write_sheet(
    wish: PairsJob,
    pairs: Pairs,
    left_out: frozenset[str],
    output: OutputFile | None,
    beside: OutputFile | None,
) -> None:
    how = wish.naming
    parameters = pairing_sheet.parameters_of(how, pairs.lines(left_out))
    name = Path(_sheet_of(wish)).name
    with drafted(output) as manifest, drafted(beside) as sheet:
        for draft, lines in (
            (manifest, pairing_sheet.manifest(how, parameters, name)),
            (sheet, pairing_sheet.sheet(how, pairs.lines(left_out), parameters)),
        ):
            with draft.open("w", encoding="utf-8", newline="") as file:
                file.writelines(lines)


async def _list(wish: PairsJob, pairs: Pairs, problems: Problems) -> None:
    from batchrun.service.login import Login  # noqa: PLC0415 (loads aiobotocore)
    from batchrun.service.objects import keys_under  # noqa: PLC0415 (likewise)

    bucket, prefix = split_uri(wish.told.source)
    if not bucket:
        raise UsageError("the bucket's name is missing: write s3://BUCKET/FOLDER/")
    # s3://bucket/run1 means a folder, and must not bring in run10's files; an asterisk asks for that.
    prefix = prefix[:-1] if prefix.endswith("*") else prefix and prefix.rstrip("/") + "/"
    folder = prefix[: prefix.rfind("/") + 1]
    told = wish.told
    login = Login(replace(told.account.target(), read_timeout=told.timeout))
    try:
        async with aclosing(keys_under(login, bucket, prefix, told.endpoint_url)) as keys:
            async for key in keys:
                if file := file_under(bucket, key, folder, with_path=wish.naming.matches_path):
                    pairs.add(file, problems)
    except NotFoundError as error:
        raise UsageError(printable(f"there is no bucket '{bucket}'; check its name")) from error
    except AccessDeniedError as error:
        raise AccessDeniedError(
            f"{error.message} (s3:ListBucket on {bucket} is needed; or give a listing: "
            "aws s3 ls --recursive ... | batchrun manifest from-s3 - --base s3://BUCKET/)",
            operation=error.operation,
            code=error.code,
        ) from error


def _read(wish: PairsJob, pairs: Pairs, problems: Problems) -> None:
    with interruptible(), opened(wish.told.source) as stream:
        with_path = wish.naming.matches_path
        for file in listed_files(stream, name_of(wish.told.source), base=wish.told.base, with_path=with_path):
            pairs.add(file, problems)


def _left_out(wish: PairsJob, pairs: Pairs, problems: Problems) -> frozenset[str]:
    """Deal with rows that lack what others have, as the user wants it."""
    if wish.told.incomplete == "keep":
        return frozenset()
    lacking = pairs.incomplete()
    if wish.told.incomplete == "skip":
        if lacking:
            complain(printable(f"left out, since they lack files that others have: {_some(list(lacking))}"))
        return frozenset(lacking)
    cure = "add the files, or give --incomplete skip to leave such rows out, keep to take them as they are"
    for entry_id, (place, missing) in lacking.items():
        problems.add(place, f"there is no file for {'; '.join(missing[:_SHOWN])}", cure, row=entry_id)
    return frozenset()


def _nothing(wish: PairsJob, pairs: Pairs) -> Exception:
    if pairs.unmatched:
        names = _some(pairs.unmatched_names, pairs.unmatched)
        message = f"none of {pairs.unmatched} files matches the pattern: {names}"
        what = (
            "the path below the folder" if wish.naming.matches_path else "the file's name, folders left out"
        )
        return unreadable(
            Place(source=name_of(wish.told.source)),
            printable(message),
            f"correct --pattern: it must match {what}, in full",
        )
    return unreadable(
        Place(source=name_of(wish.told.source)),
        "there are no files to make rows of",
        "check the place, and --incomplete",
    )


def _some(names: list[str], total: int | None = None) -> str:
    count = len(names) if total is None else total
    return ", ".join(names[:_SHOWN]) + (", ..." if count > _SHOWN else "")


def _tell(wish: PairsJob, pairs: Pairs, rows: int) -> None:
    if pairs.unmatched:
        names = _some(pairs.unmatched_names, pairs.unmatched)
        complain(printable(f"{pairs.unmatched} files do not match the pattern, and were skipped: {names}"))
    summary = f"{counted(pairs.files, 'file')}, {counted(rows, 'row')}"
    if wish.is_sheet:
        summary = f"{counted(rows, 'run')} of the files in {_sheet_of(wish)}"
    if wish.told.output == STDOUT:
        complain(summary)
    else:
        say(
            printable(
                f"{wish.told.output}: {summary}; what all rows need, such as workflowId, goes into --defaults"
            )
        )
