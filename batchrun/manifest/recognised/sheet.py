"""A table that is not a manifest: the command that takes it, and the problem to report.

Belongs here: the messages about it, and the command that reads a source again with more options, to be
pasted from a message into a shell. Does not: recognising its kind (``kinds``) and its ids (``identities``).
"""

from __future__ import annotations

import itertools
import json
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from batchrun.errors import ManifestError
from batchrun.manifest import limits
from batchrun.manifest.problems import printable, shown, tabs_for_spaces, unreadable
from batchrun.manifest.recognised.identities import Identity, files_of, identities, is_usual
from batchrun.manifest.recognised.kinds import RESULTS, is_file, kind_of
from batchrun.manifest.sheet_wishes import ALL, column_text
from batchrun.manifest.source import Source
from batchrun.manifest.table import Table, TableRow
from batchrun.model.texts.words import counted, some

#: Fewer number columns, such as lane1, where there are several.
_ACCESSION_DIGITS: Final = 3
#: Most columns that a command names one by one.
_NAMED: Final = 12
#: Most columns whose names can be typed for a table without a header.
_TYPED: Final = 60
_PARAMETERS: Final = "parameters."
_AS_PARAMETERS: Final = "--columns-as-parameters"


def again(source: Source, options: Iterable[str]) -> str:
    """Return the command that reads the source again, with options added."""
    path = ["--each-file", source.path] if source.is_each_file else [source.path]
    return " ".join(map(_quoted, ["batchrun", *source.verb.split(), *path, *_given(source), *options]))


def _quoted(word: str) -> str:
    """Return a word quoted for bash and zsh, with invisible characters escaped."""
    if word.isprintable():
        return shlex.quote(word)
    return f"$'{''.join(map(_escaped, word))}'"


def _escaped(character: str) -> str:
    if character.isprintable():
        return f"\\{character}" if character in "'\\" else character
    return f"\\U{ord(character):08x}"


def _given(source: Source) -> list[str]:
    """Return the options that the source was read with."""
    given = [text for path in source.defaults for text in ("--defaults", path)]
    given += [text for path in source.parameters_from for text in ("--parameters-from", path)]
    given += [text for text in source.sets for text in ("--set", text)]
    given += [] if source.lanes is None else ["--lanes", source.lanes]
    given += [text for name in source.env for text in ("--env", name)]
    given += [] if source.batch is None else ["--batch", source.batch]
    given += [] if source.format is None else ["--format", source.format.value]
    given += [] if source.asked.delimiter is None else ["--delimiter", source.asked.delimiter]
    given += [] if source.asked.encoding is None else ["--encoding", source.asked.encoding]
    given += [] if source.asked.worksheet is None else ["--worksheet", source.asked.worksheet]
    given += [] if source.asked.header is None else ["--header", ",".join(source.asked.header)]
    return given


def each_row(header: Sequence[str], one: Identity) -> list[str]:
    """Return the options to make each row a run."""
    return ["--id", header[one.index], *_as_they_are(header, (one.index,))]


def grouped(header: Sequence[str], one: Identity) -> list[str]:
    """Return the options to make rows with the same id one run; differing columns become lists."""
    named = [index for index in one.differing if _is_usable(header, index)][:_NAMED]
    options = ["--group-by", header[one.index]]
    if one.gaps:
        # Separate lists would have different lengths.
        table = {header[index]: column_text(header[index]) for index in named}
        options += ["--parameter", f"rows:json={json.dumps([table], ensure_ascii=False)}"]
    else:
        for index in named:
            text = json.dumps([column_text(header[index])], ensure_ascii=False)
            options += ["--parameter", f"{header[index]}:json={text}"]
    return [*options, *_as_they_are(header, (one.index, *one.differing), named=(one.index, *named))]


def as_it_is(header: Sequence[str], one: Identity) -> list[str]:
    """Return the option to make the id's column a parameter too."""
    name = header[one.index]
    return ["--parameter", f"{name}={column_text(name)}"] if _is_usable(header, one.index) else []


def grouped_manifest(header: Sequence[str], first: Sequence[str], cells: Sequence[str]) -> list[str] | None:
    """Return the options by which rows of a CSV manifest are one run, such as two that have the same id.

    Files, and what differs, become lists. None where options cannot say it: there are other columns than
    ``id`` and ``parameters.NAME``.
    """
    options = ["--group-by", "id"]
    others = [column for column in zip(header, first, cells, strict=True) if column[0] != "id"]
    for name, cell, other in others:
        parameter, colon, kind = name.removeprefix(_PARAMETERS).partition(":")
        if not name.startswith(_PARAMETERS) or set(name) & set("{}="):
            return None
        text = f"{{{name}{colon}{kind}}}"
        own = f"{parameter}:json={json.dumps([text], ensure_ascii=False)}"
        options += ["--parameter", own if is_file(cell) or cell != other else f"{parameter}={text}"]
    return options if len(others) <= _NAMED else None


def _as_they_are(header: Sequence[str], taken: Sequence[int], named: Sequence[int] = ()) -> list[str]:
    """Return the option for all other columns, by their names if "all" would include too many."""
    rest = [index for index in range(len(header)) if index not in taken and header[index].strip()]
    usable = [index for index in rest if _is_usable(header, index)]
    if not rest:
        return []
    is_all = usable == rest and ALL not in header and all(map(str.strip, header))
    if is_all and set(named) >= set(taken if named else ()):
        return [_AS_PARAMETERS]
    plain = [header[index] for index in usable if not set(header[index]) & set(',"')][:_NAMED]
    return [_AS_PARAMETERS, ",".join(plain)] if plain else []


def _is_usable(header: Sequence[str], index: int) -> bool:
    name = header[index]
    is_plain = (
        name.strip()
        and len(name) <= limits.NAME
        and name.isprintable()
        and not set(name) & set("{}=")
        and not name.endswith(":json")
    )
    return bool(is_plain) and header.count(name) == 1


#: Most rows, and cells in all, that are examined.
MOST_ROWS: Final = 20_000
_CELLS: Final = 500_000
#: Most columns with ids, and most differing ones, in a message.
_TOLD: Final = 3
#: Most columns in a message that a command leaves out.
_LEFT: Final = 6
_CURE: Final = (
    "name its parameters as your workflow does ('batchrun help sheets'), and with your other options, run"
)


#: Names of columns with mates that no sample has, as it may be called R1.
_MATE: Final = re.compile(r"(?:fastq|fq)[ _-]?[12]|(?:forward|reverse)[ _-]?reads?", re.IGNORECASE)
_TURN: Final = (
    "turn it, so that each row is a sample (in a spreadsheet: copy it, and Paste Special > Transpose)"
)
_OF_RESULTS: Final = (
    "give the manifest that they are of; 'batchrun retry BATCH --ids-from FILE' gives rows another attempt"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unasked:
    """The errors about a table that no option makes a sheet."""

    source: Source  #: the source that is loaded
    is_beside: bool  #: the table is not the source itself, but named in it as its runs

    def foreign(self, table: Table) -> ManifestError:
        """Return the error for a table without a manifest's columns, by its header and first rows.

        What is surest is tried first; anything that is nothing else is a sheet.

        Raises:
            ManifestError: The table cannot be read further.
        """
        rows = list(itertools.islice(table.rows, min(MOST_ROWS, _CELLS // len(table.header) + 1)))
        place = table.place(table.line)
        if kind_of(table.header) == RESULTS:
            raise unreadable(place, f"this is not a manifest but {RESULTS}", _OF_RESULTS, field="id")
        if len(table.header) == 1 and _is_spaced([table.header[0], *(row.cells[0] for row in rows)]):
            raise unreadable(
                place, "nothing separates the cells of a row", tabs_for_spaces(table.source), field="id"
            )
        if rows and _has_names(rows[0].cells):
            names = printable(", ".join(filter(str.strip, rows[0].cells)), 100)
            message = f"the names of columns seem to be in line {rows[0].line}: {names}"
            return unreadable(place, message, "remove what is above them", field="id")
        may_be_rows = not (self.is_beside or table.has_values or self.source.asked.header)
        is_row = "files" if any(map(is_file, table.header)) else _of_a_row(table.header, rows)
        if may_be_rows and is_row:
            message, cure = _headless(table, rows, self.source, is_row)
        else:
            message, cure = _words(table, table.header, rows, self.source, ())
        if self.is_beside:
            cure = f"name it with 'sheet:' instead of 'runs:'; {cure}"
        return unreadable(place, message, cure, field="id")

    def cure_for_twins(self, table: Table, first: Sequence[str], cells: Sequence[str]) -> str | None:
        """Return the cure for rows of a CSV manifest with the same id; None if there is no special one."""
        options = None if self.is_beside else grouped_manifest(table.header, first, cells)
        if options is None or not any(map(is_file, cells)):
            return None
        typed = printable(again(self.source, options), None)
        return (
            "if these are sequencing lanes of one run, do not tell them apart, but with your other options, "
            f"run: {typed}; if they are runs of their own, put into the id what tells them apart"
        )


def _has_names(cells: Sequence[str]) -> bool:
    """Report whether cells are names of a manifest's columns."""
    return any(cell == "id" or cell.startswith("parameters.") for cell in map(str.strip, cells))


def _is_spaced(lines: Sequence[str]) -> bool:
    """Report whether lines are cells with spaces between: as many in all, and more than two, or files."""
    first, *others = (line.split() for line in lines)
    are_even = len(first) > 1 and bool(others) and all(len(cells) == len(first) for cells in others)
    return are_even and (len(first) > 2 or any(map(is_file, others[0])))  # noqa: PLR2004 (a name and a word)


def _words(
    table: Table, header: Sequence[str], rows: Sequence[TableRow], source: Source, options: Sequence[str]
) -> tuple[str, str]:
    """Return what the table is, and the cure, which ends in the command."""
    found = identities(header, rows) if rows else []
    what = f"this is not a manifest but a sheet of {counted(len(header), 'column')}{_looks(table)}"
    if len(mates := [row for row in rows if _MATE.fullmatch(row.cells[0].strip())]) > 1:
        names = " and ".join(shown(row.cells[0]) for row in mates[:2])
        where = f"its columns, such as {names}, stand in lines {mates[0].line} and {mates[1].line}"
        return f"{what} that lies on its side: {where}", _TURN
    if not rows:
        return f"{what}, without a row that can be read", "correct its lines first, or add a row"
    if (not found or found[0].is_unique) and (same := _same(rows)):
        return f"{what}; lines {same[0]} and {same[1]} are the same", "remove one of the two"
    if not found:
        names = printable(", ".join(name for name in header if name.strip()), 300)
        if len(files_of(header, rows)) == len(header):
            return f"{what} of files alone", "add a column with an id for each row"
        cure = "give --id with a text that tells rows apart, such as --id '{COLUMN}-{COLUMN}'"
        return f"{what}; no column tells its rows apart", f"{cure}; the columns are {names}"
    first = found[0]
    added = each_row(header, first) if first.is_unique else grouped(header, first)
    is_all = first.is_unique and _tells_alone(first.index, rows)
    kept = as_it_is(header, first) if table.has_values or is_all else []
    typed = again(source, [*options, *added, *kept])
    ids = ", ".join(_told(one, header, rows) for one in found[:_TOLD])
    runs = "" if first.is_unique else f"; rows that have the same {shown(header[first.index])} make one run"
    left = _left_out(header, added)
    rename = "give each column a name of its own; " if left and len({*header}) < len(header) else ""
    return f"{what}; ids are in {ids}{runs}{left}", f"{rename}{_CURE}: {printable(typed, None)}"


def _same(rows: Sequence[TableRow]) -> tuple[int, int] | None:
    """Return the first two lines with the same cells, or None."""
    lines: dict[tuple[str, ...], int] = {}
    for row in rows:
        if (first := lines.setdefault(tuple(row.cells), row.line)) != row.line:
            return first, row.line
    return None


def _tells_alone(index: int, rows: Sequence[TableRow]) -> bool:
    """Report whether rows would ask for the same without the cell at *index*."""
    others = {(*row.cells[:index], *row.cells[index + 1 :]) for row in rows}
    return len(others) < len(rows) or not any(others)


def _left_out(header: Sequence[str], options: Sequence[str]) -> str:
    """Return, in words, the columns that the command does not name."""
    if options[-1] == _AS_PARAMETERS:
        return ""
    named = options[-1].split(",") if _AS_PARAMETERS in options else []
    texts = "".join(options)
    left = [
        shown(name) if name.strip() else f"column {number}, which has no name"
        for number, name in enumerate(header, start=1)
        if name not in {*named, options[1]} and column_text(name) not in texts
    ]
    more = f" and {len(left) - _LEFT} more" if len(left) > _LEFT else ""
    return f"; the command leaves out {', '.join(left[:_LEFT])}{more}" if left else ""


def _looks(table: Table) -> str:
    if table.section is not None:
        return f", the section {printable(table.section)} of an Illumina SampleSheet"
    kind = kind_of(table.header)
    return "" if kind is None else f", which looks like {kind}"


def _told(one: Identity, header: Sequence[str], rows: Sequence[TableRow]) -> str:
    name, blank = shown(header[one.index]), "" if one.blank is None else f", but empty on line {one.blank}"
    if one.is_unique:
        return f"{name} (unique{blank})"
    files = files_of(header, rows)
    differing = [shown(header[index]) for index in one.differing if index in files or not files]
    more = ", ..." if len(differing) > _TOLD else ""
    what = "with differing files in" if files else "differing in"
    alone = f" on line {some([*map(str, one.few)], most=_TOLD)} alone" if one.few else ""
    return f"{name} (repeated{alone}, {what} {', '.join(differing[:_TOLD])}{more}{blank})"


def _of_a_row(header: Sequence[str], rows: Sequence[TableRow]) -> str | None:
    """Return what the first line has if it is a row as all others: SRR9984183,5 above SRR13191702,6.

    Columns may be numbered too: where one name is a usual one, or one is unlike its cells, it is a header. So
    it is where words without a digit stand beside a number that is there twice, such as a year.
    """
    if not rows or kind_of(header) or any(map(is_usual, header)):
        return None
    words = "".join(name for name in header if not name.isdecimal())
    is_twice = any(name.isdecimal() and header.count(name) > 1 for name in header)
    if is_twice and (not words or any(map(str.isdecimal, words))):
        return "numbers"
    forms = [_form(name) for name in header]
    digits = _ACCESSION_DIGITS if len(header) > 1 else 1
    is_row = any(_is_accession(name, digits) for name in header) and all(
        _form(cell) == form for row in rows for cell, form in zip(row.cells, forms, strict=True)
    )
    return "ids" if is_row else None


def _is_accession(name: str, digits: int) -> bool:
    return any(map(str.isalpha, name)) and sum(map(str.isdecimal, name)) >= digits


def _form(name: str) -> str:
    """Return a name without its number."""
    letters = re.sub(r"[A-Z]+", "A", re.sub(r"[a-z]+", "a", name))
    return re.sub(r"[0-9]+", "0", letters)


def _headless(table: Table, rows: Sequence[TableRow], source: Source, what: str) -> tuple[str, str]:
    """Return what is wrong with a table whose first line is a row, of *what*, and the cure."""
    if len(table.header) > _TYPED:
        cure = f"add a line with {len(table.header)} names, or give them as --header A,B,..."
        return f"the first line names no columns, but {what}, in {len(table.header)} columns", cure
    every = [TableRow(table.line, list(table.header)), *rows]
    files = files_of(table.header, every)
    names = [f"file_{at + 1}" if at in files else f"column_{at + 1}" for at in range(len(table.header))]
    filled = (at for at in range(len(names)) if any(row.cells[at].strip() for row in every))
    own = next((at for at in filled if at not in files), None)
    if own is not None:
        names[own] = "sample"
    elif len(names) == 1:
        paired = f"batchrun manifest from-s3 {shlex.quote(source.path)} -o runs.csv"
        how = "--pattern '{id}_R{read}.fastq.gz' --parameter 'reads_{read}'"
        return "this is a list of files, and no manifest", f"pair them into rows: {paired} {how}"
    message, cure = _words(table, names, every, source, ["--header", ",".join(names)])
    return f"the first line names no columns, but {what}; {message}", cure
