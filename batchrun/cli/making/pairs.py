"""Files into a manifest, from end to end: list, pair, write.

Names come from S3, from a text with URIs or paths, or from the output of ``aws s3 ls``; with --group-by they
become a sheet with a line for each lane, and its manifest. Does not belong here: splitting names, and which
files belong together (``pairing``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Self

from batchrun.api.written_manifests import manifest_kind
from batchrun.cli.making.convert import output_format
from batchrun.cli.making.name_patterns import limited, wrong
from batchrun.cli.making.pairing import MOST_KINDS, File, Line, Naming, Pairs, naming
from batchrun.cli.showing.output_file import drafted, file_or_stdout
from batchrun.cli.signals import interruptible, run_async
from batchrun.cli.speak import STDOUT, complain, printable, say
from batchrun.errors import AccessDeniedError, NotFoundError, UsageError
from batchrun.manifest import Format, yaml_text
from batchrun.manifest.delimited_text import line_of
from batchrun.manifest.each_file import natural
from batchrun.manifest.problems import Place, Problems, shown, unreadable
from batchrun.manifest.sheet_wishes import column_text
from batchrun.manifest.source import name_of, opened
from batchrun.manifest.text_input import lines
from batchrun.manifest.write import write
from batchrun.model.spec import Json
from batchrun.model.texts.places import split_uri
from batchrun.model.texts.words import counted, some
from batchrun.report.outputs import OutputFile, ProtectedFiles

if TYPE_CHECKING:
    from batchrun.cli.making.options import PairOptions

_S3: Final = "s3://"
_SHOWN: Final = 5
#: Date, time, size and name; the size may have a unit.
_LISTED: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +[\d.]+(?: [KMGTPE]?i?B(?:ytes?)?)? (.+)")
#: Lines of ``aws s3 ls`` that are not files: folders, and the summary.
_NO_FILE: Final = re.compile(r" +PRE .*|Total Objects: +\d+| *Total Size: .*|\s*")
_OPTION: Final = "--parameter"
#: Characters that a text's column names cannot have.
_UNUSABLE: Final = frozenset("{}")
_HEAD: Final = (
    "# What all runs need, such as workflowId, goes under defaults: here, or into a file for --defaults.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsJob:
    """The checked options of ``batchrun manifest from-s3``."""

    options: PairOptions
    naming: Naming
    form: Format

    @classmethod
    def of(cls, options: PairOptions) -> Self:
        """Return the job of the command's options."""
        if options.parameter and options.list_name:
            raise UsageError("give --parameter, or --list for lists: both say what parameters are called")
        if options.base is not None and not options.base.startswith(_S3):
            raise UsageError(
                printable(f"--base '{options.base}' is not a place in S3; write s3://BUCKET/FOLDER/")
            )
        if options.group_by and options.list_name:
            raise UsageError(
                "--list is for rows; with --group-by each parameter is a list, named by --parameter"
            )
        to_stdout = options.output == STDOUT and options.to is None
        form = Format.CSV if to_stdout else output_format(options.output, options.to)
        if options.group_by and (options.output == STDOUT or form is not Format.YAML):
            raise UsageError(
                "--group-by writes a manifest in YAML, and its sheet in CSV beside it: give -o FILE.yaml"
            )
        how = naming(
            options.pattern,
            parameter=options.parameter,
            list_name=options.list_name,
            group_by=options.group_by,
        )
        return cls(options=options, naming=how, form=form)

    @property
    def is_sheet(self) -> bool:
        """Whether a sheet is written, and a manifest for it."""
        return bool(self.options.group_by)


def pair(wish: PairsJob) -> None:
    """Write the manifest; nothing is written if files cannot be paired."""
    problems = Problems()
    output = _output(wish, wish.options.output, wish.form)
    beside = _output(wish, _sheet_of(wish), Format.CSV) if wish.is_sheet else None
    with limited(wish.naming.pattern) as match:
        pairs = Pairs(naming=wish.naming, match=match)
        if wish.options.source.startswith(_S3):
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
            write(lambda: pairs.rows(left_out), file, wish.form, source=wish.options.source)
    _tell(wish, pairs, rows)


def _output(wish: PairsJob, path: str, form: Format) -> OutputFile | None:
    read = (
        () if wish.options.source.startswith(_S3) or wish.options.source == STDOUT else (wish.options.source,)
    )
    kind = manifest_kind(form)
    return file_or_stdout(path, kind, protected=ProtectedFiles(read=read), force=wish.options.force)


def _sheet_of(wish: PairsJob) -> str:
    """Return the name of the sheet beside the manifest."""
    return str(Path(wish.options.output).with_suffix(".csv"))


def _write_sheet(
    wish: PairsJob,
    pairs: Pairs,
    left_out: frozenset[str],
    output: OutputFile | None,
    beside: OutputFile | None,
) -> None:
    how = wish.naming
    parameters = parameters_of(how, pairs.lines(left_out))
    name = Path(_sheet_of(wish)).name
    with drafted(output) as manifest, drafted(beside) as sheet:
        for draft, lines in (
            (manifest, manifest_lines(how, parameters, name)),
            (sheet, sheet_lines(how, pairs.lines(left_out), parameters)),
        ):
            with draft.open("w", encoding="utf-8", newline="") as file:
                file.writelines(lines)


async def _list(wish: PairsJob, pairs: Pairs, problems: Problems) -> None:
    from batchrun.service.login import Login  # noqa: PLC0415 (loads aiobotocore)
    from batchrun.service.s3.object_calls import keys_under  # noqa: PLC0415 (as above)

    bucket, prefix = split_uri(wish.options.source)
    if not bucket:
        raise UsageError("the bucket's name is missing: write s3://BUCKET/FOLDER/")
    # s3://bucket/run1 means a folder, without run10's files; an asterisk asks for those too.
    prefix = prefix[:-1] if prefix.endswith("*") else prefix and prefix.rstrip("/") + "/"
    folder = prefix[: prefix.rfind("/") + 1]
    options = wish.options
    login = Login(replace(options.account.target(), read_timeout=options.timeout))
    try:
        async with aclosing(keys_under(login, bucket, prefix, options.endpoint_url)) as keys:
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
    with interruptible(), opened(wish.options.source) as stream:
        with_path = wish.naming.matches_path
        for file in listed_files(
            stream, name_of(wish.options.source), base=wish.options.base, with_path=with_path
        ):
            pairs.add(file, problems)


def _left_out(wish: PairsJob, pairs: Pairs, problems: Problems) -> frozenset[str]:
    """Return the ids of incomplete rows to leave out; report them, or add problems, as the user wants."""
    if wish.options.incomplete == "keep":
        return frozenset()
    lacking = pairs.incomplete()
    if wish.options.incomplete == "skip":
        if lacking:
            complain(f"left out, since they lack files that others have: {some(list(lacking), most=_SHOWN)}")
        return frozenset(lacking)
    cure = "add the files, or give --incomplete skip to leave such rows out, keep to take them as they are"
    for entry_id, (place, missing) in lacking.items():
        problems.add(place, f"there is no file for {'; '.join(missing[:_SHOWN])}", cure, row=entry_id)
    return frozenset()


def _nothing(wish: PairsJob, pairs: Pairs) -> Exception:
    place = Place(source=name_of(wish.options.source))
    if pairs.unmatched:
        names = some(pairs.unmatched_names, pairs.unmatched)
        message = f"none of {pairs.unmatched} files matches the pattern: {names}"
        what = (
            "the path below the folder" if wish.naming.matches_path else "the file's name, folders left out"
        )
        return unreadable(place, printable(message), f"correct --pattern: it must match {what}, in full")
    return unreadable(place, "there are no files to make rows of", "check the place, and --incomplete")


def _tell(wish: PairsJob, pairs: Pairs, rows: int) -> None:
    if pairs.unmatched:
        names = some(pairs.unmatched_names, pairs.unmatched)
        complain(f"{pairs.unmatched} files do not match the pattern, and were skipped: {names}")
    summary = f"{counted(pairs.files, 'file')}, {counted(rows, 'row')}"
    if wish.is_sheet:
        summary = f"{counted(rows, 'run')} of the files in {_sheet_of(wish)}"
    if wish.options.output == STDOUT:
        complain(summary)
    else:
        say(f"{wish.options.output}: {summary}; what all rows need, such as workflowId, goes into --defaults")


def listed_files(stream: BinaryIO, source: str, *, base: str | None, with_path: bool) -> Iterator[File]:
    """Yield each file that a line of *stream* has; *base* is the URI that relative names belong to.

    Several on a line stand between tabs, as ``aws s3api list-objects-v2 --output text`` prints the keys alone
    (``--query 'Contents[].Key'``).

    Raises:
        ManifestError: It is not text, or a relative name has no base.
    """
    for number, line in enumerate(lines(stream, source), start=1):
        text = line.rstrip("\r\n")
        if _NO_FILE.fullmatch(text):
            continue
        listed = _LISTED.fullmatch(text)
        place = Place(source=source, line=number)
        for name in [listed[1]] if listed else map(str.strip, text.split("\t")):
            if name and not name.endswith("/"):
                yield File(name=_matched(name, with_path=with_path), uri=_uri(name, base, place), place=place)


def file_under(bucket: str, key: str, folder: str, *, with_path: bool) -> File | None:
    """Return an object in S3 as a file; None if it only stands for a folder."""
    if key.endswith("/"):
        return None
    relative = key[len(folder) :]
    uri = f"{_S3}{bucket}/{key}"
    return File(name=_matched(relative, with_path=with_path), uri=uri, place=Place(source=uri))


def _matched(name: str, *, with_path: bool) -> str:
    if not with_path:
        return name.rpartition("/")[2]
    return name.removeprefix(_S3).partition("/")[2] if name.startswith(_S3) else name


def _uri(name: str, base: str | None, place: Place) -> str:
    if name.startswith(_S3):
        return name
    if base is None:
        cure = (
            "give --base s3://BUCKET/FOLDER/, what the names are relative to (for --recursive: s3://BUCKET/)"
        )
        raise unreadable(place, f"{shown(name)} is not a URI", cure)
    return f"{base.rstrip('/')}/{name.removeprefix('./').lstrip('/')}"


def parameters_of(how: Naming, lines: Iterable[Line]) -> Sequence[str]:
    """Return the parameters' names in order. Raises ManifestError if one cannot be a column."""
    found = sorted({name for line in lines for name in line.files}, key=natural)
    if len(found) > MOST_KINDS:
        cure = "let it have fewer parts of the file's name"
        raise wrong(f"there would be {len(found)} parameters, {found[0]} among them", cure, _OPTION)
    for name in found:
        if name in {*how.ids, *how.others}:
            message = f"{shown(name)} would be a parameter, and is a part of the pattern"
            raise wrong(message, "name the parameter otherwise", _OPTION)
        if not name.isprintable() or name != name.strip() or not _UNUSABLE.isdisjoint(name):
            raise wrong(
                f"{shown(name)} is not a name that a column can have", "name the parameter otherwise", _OPTION
            )
    return found


def sheet_lines(how: Naming, lines: Iterable[Line], parameters: Sequence[str]) -> Iterator[str]:
    """Yield the lines of the sheet, in CSV."""
    yield line_of([*how.ids, *how.others, *parameters], ",")
    for line in lines:
        yield line_of([*line.ids, *line.others, *(line.files.get(name, "") for name in parameters)], ",")


def manifest_lines(how: Naming, parameters: Sequence[str], name: str) -> Iterator[str]:
    """Yield the lines of the manifest, in YAML, for the sheet *name* beside it."""
    group: Json = how.ids[0] if len(how.ids) == 1 else list(how.ids)
    lists: dict[str, Json] = {one: [column_text(one)] for one in parameters}
    table: dict[str, Json] = {"sheet": name, "group_by": group, "each": {"parameters": lists}}
    yield from (f"{line}\n" for line in (*_HEAD, *yaml_text.table(table, 0, depth=0)))
