"""Rules for single texts: invisible characters, traces of spreadsheets, values to be filled in.

Not doubted: spaces within a text (``s3://b/a b.fq.gz``), apostrophes in words, ``0042``, ISO dates, ``NA`` in
a column without files. Belongs here: doubts about one text, and their order. Does not belong here: what names
a place (``places``), columns and rows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from typing import Final

from batchrun.manifest import limits
from batchrun.manifest.warned import engine
from batchrun.manifest.warned.found import Company, Doubt, WarningKind, WatchedColumn, named, visible
from batchrun.manifest.warned.places import of_place

_INVISIBLE: Final = re.compile(
    "[\u00a0\u00ad\u061c\u180e\u2007\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb]"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)
_CALLED: Final = {
    "\u00a0": "a no-break space",
    "\u202f": "a no-break space",
    "\u2007": "a no-break space",
    "\u200b": "a zero-width space",
    "\u2060": "a zero-width space",
    "\ufeff": "a zero-width space",
    "\u00ad": "a soft hyphen",
}
#: The last kind is an apostrophe after a letter.
_QUOTES: Final = re.compile("[\u201c-\u201f\u2018\u201a\u201b]|(?<![^\\W\\d_])\u2019")
#: A single URI with a line end in it, as copied from a mail or a PDF.
_BROKEN: Final = re.compile(
    r"\A\s*(?:s3|omics)://[^\r\n]*([\r\n]+)(?=[^\r\n])(?!.*://)", re.IGNORECASE | re.DOTALL
)
_PLAIN_QUOTES: Final = ('"', "'")
_SPACE: Final = re.compile(r"\s")
_SPACE_OR_QUOTE: Final = re.compile(r"""[\s"']""")
#: Marks by which spreadsheets take digits as text: ="0042", '0042.
_AS_TEXT: Final = re.compile(r"""="([^"]*)"|'([0-9=+-][^']*)""")
#: Full-width forms of ASCII, from East Asian keyboards.
_WIDE: Final = re.compile("[\uff01-\uff5e]")
#: Dashes as word processors make them of a hyphen, within a name or a place.
_DASH: Final = re.compile("(?<=\\w)[\u2010-\u2015\u2212](?=\\w)")
#: What stands for the part that was cut off a text.
_ELLIPSIS: Final = "\u2026"
#: Letters of Cyrillic and Greek that look like Latin ones.
_TWINS: Final = frozenset(
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0455\u0456\u0458"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bf"
)
_LOST: Final = "\ufffd"
#: Characters that surround a value by mistake.
_AROUND: Final = re.compile("[\\s\"'\u00a0\u200b\u2060\ufeff\u201c-\u201f\u2018-\u201b]*")


def of_characters(text: str, *, is_cell: bool) -> Iterator[Doubt]:
    """Yield doubts about characters of a text, which is not empty; *is_cell*: it is from a table.

    In a document quotes and line ends are deliberate: white space alone and several lines are not doubted.
    """
    if text[0].isspace() or text[-1].isspace():
        yield from _white_space(text, is_cell=is_cell)
    if not text.isascii() or not text.isprintable():
        yield from _strange(text)
        if found := _BROKEN.search(text):
            yield Doubt(
                WarningKind.WHITE_SPACE,
                "has a line break in it",
                "remove it",
                at=found.start(1),
            )
    if _is_enclosed(text):
        yield Doubt(WarningKind.QUOTES, "has quotes around it", "remove them")
    elif _is_half_enclosed(text):
        yield Doubt(WarningKind.QUOTES, "has a quote at one of its ends", "remove it")
    elif is_cell and (found := _AS_TEXT.fullmatch(text)):
        says = "has a spreadsheet's mark of a text, which is sent too"
        yield Doubt(WarningKind.QUOTES, says, f"write {visible(found[1] or found[2] or '')}", cause=says)


# By hand: the time of a pattern of these grows with the square of the length where a text almost matches.


def _is_enclosed(text: str) -> bool:
    """Report whether a single place, without white space, has a quote at each end."""
    inner = text[1:-1]
    is_place = ":/" in inner or (inner.startswith("/") and inner != "/")
    return text[0] in _PLAIN_QUOTES and text[-1] == text[0] and is_place and not _SPACE.search(inner)


def _is_half_enclosed(text: str) -> bool:
    """Report whether a single URI, without white space, has a quote at one of its ends."""
    inner = text[1:] if text[0] in _PLAIN_QUOTES else text[:-1] if text[-1] in _PLAIN_QUOTES else ""
    return 0 <= inner.find(":/") < len(inner) - 2 and not _SPACE_OR_QUOTE.search(inner)


def bare(text: str) -> str:
    """Return the intended value: without surrounding mistakes, in plain characters."""
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    before, behind = (len(found[0]) for one in (plain, plain[::-1]) if (found := _AROUND.match(one)))
    return plain[before : len(plain) - behind]


def _white_space(text: str, *, is_cell: bool) -> Iterator[Doubt]:
    bare_text = text.strip()
    if not is_cell and (not bare_text or ("\n" in text and " " not in (text[0], text[-1]))):
        is_uri = "://" in bare_text and "\n" not in bare_text
        if not is_uri:
            return
    leads, trails = text[0].isspace(), text[-1].isspace()
    where = "at both ends" if leads and trails else "before it" if leads else "behind it"
    if all(character.isascii() for character in (text[0], text[-1])) or not _INVISIBLE.search(text):
        at = 0 if leads else len(text)
        yield Doubt(WarningKind.WHITE_SPACE, f"has white space {where}", "remove it", at=at)


def _strange(text: str) -> Iterator[Doubt]:
    if found := _INVISIBLE.search(text):
        what = _CALLED.get(found[0], "a character that cannot be seen")
        cure = "remove it, or type a plain space" if unicodedata.category(found[0]) == "Zs" else "remove it"
        yield Doubt(WarningKind.INVISIBLE, f"has {what} ({named(found[0])})", cure, at=found.start())
    if found := _QUOTES.search(text):
        cure = "remove them, or type plain ones (' or \")"
        yield Doubt(WarningKind.QUOTES, f"has curly quotes ({named(found[0])})", cure, at=found.start())
    if (found := _WIDE.search(text)) and "://" in unicodedata.normalize("NFKC", text):
        plain = unicodedata.normalize("NFKC", found[0])
        says = f"has a full-width {plain} ({named(found[0])})"
        yield Doubt(WarningKind.LOOK_ALIKE, says, f"type a plain {plain}", at=found.start())
    if not _SPACE.search(text):
        yield from _of_a_word(text)
    if (at := text.find(_LOST)) >= 0:
        cure = "export the table once more, in UTF-8, or give --encoding"
        yield Doubt(WarningKind.LOOK_ALIKE, "has a character that was lost (U+FFFD)", cure, at=at)


def _of_a_word(text: str) -> Iterator[Doubt]:
    """Yield doubts about characters that prose may have, and a name or a place hardly."""
    if found := _DASH.search(text):
        says = f"has a long dash ({named(found[0])})"
        yield Doubt(WarningKind.LOOK_ALIKE, says, "type a hyphen (-)", at=found.start())
    if len(text) > 1 and (at := text.find(_ELLIPSIS)) >= 0:
        says = f"has an ellipsis ({named(_ELLIPSIS)}), as a text has that was cut"
        yield Doubt(WarningKind.LOOK_ALIKE, says, "write all of it", at=at)
    letters = {character for character in text if character.isalpha() and not character.isascii()}
    if letters and letters <= _TWINS and any(one.isascii() and one.isalpha() for one in text):
        at = min(map(text.index, letters))
        script = unicodedata.name(text[at]).split()[0].capitalize()
        says = f"has a {script} letter that looks like a Latin one ({named(text[at])})"
        yield Doubt(WarningKind.LOOK_ALIKE, says, "type the Latin one", at=at)


#: In English, German, French, Spanish; too narrow columns are copied as ####.
_FORMULA_ERROR: Final = re.compile(
    r"#(?:REF!|VALUE!|NAME\?|DIV/0!|NULL!|NUM!|N/A|SPILL!|CALC!|FIELD!|BLOCKED!|BUSY!|CONNECT!|UNKNOWN!"
    r"|GETTING_DATA|BEZUG!|WERT!|ZAHL!|NV|ÜBERLAUF!|VALEUR!|NOM\?|NOMBRE!|NUL!|¡REF!|¡VALOR!|¡NUM!|¿NOMBRE\?"
    r"|¡DIV/0!|¡NULO!|#+)",
    re.IGNORECASE,
)
#: A function's call, or anything with the name of a cell: ``=A1``, ``=Sheet1!$B$2&".bam"``.
_FORMULA: Final = re.compile(
    r"=(?:[A-Z][A-Z0-9.]*\(.*\)|(?:.*[^\w.])?\$?[A-Z]{1,3}\$?[1-9][0-9]*(?:[^\w.(].*)?)",
    re.IGNORECASE | re.DOTALL,
)
#: Words for no value, in lower case.
ABSENT: Final = frozenset(
    {"na", "n/a", "n.a.", "<na>", "null", "nil", "none", "nan", "nat", "missing", "-", "--", ".", "?"}
    | {"...", "todo", "tbd", "tba"}
)
#: Types of WDL, as ``womtool inputs`` has them: String, Array[File]?, Int? (optional, default = 5).
_TYPE: Final = re.compile(
    r"(?:File|String|Int|Float|Boolean|Object|(?:Array|Map|Pair)\[.+\]\+?)\??(?: \(optional.*\))?", re.DOTALL
)
#: How manuals and templates write what is to be written; a single word, such as <DEL>, may be a value.
_TO_FILL_IN: Final = re.compile(r"<\w+[^\w<>][^<>]*>|<[a-z]+(?:_[a-z]+)+>|\{{1,2} [A-Za-z_][\w.]* \}\}")
#: The classes of CWL's file values.
_CLASS: Final = ".class"
_LONGEST: Final = 32
#: A long number as Excel shows it, in some languages with a comma.
_SCIENTIFIC: Final = re.compile(r"[0-9](?:[.,][0-9]{1,14})?E\+[0-9]{2}")
#: Months as spreadsheets abbreviate them: a regular expression.
MONTH: Final = (
    "jan|feb|mar|mär|mrz|apr|may|mai|jun|jul|aug|sep|sept|oct|okt|nov|dec|dez"
    "|janv|févr|fév|avr|juin|juil|août|déc|ene|abr|ago|dic"
)
_DATE: Final = re.compile(
    r"[0-9]{1,2}\.[0-9]{1,2}\.(?:[0-9]{4}|[0-9]{2})"
    r"|[0-9]{1,2}/[0-9]{1,2}/(?:[0-9]{4}|[0-9]{2})"
    rf"|[0-9]{{1,2}}[-. ]{{1,2}}(?:{MONTH})\.?(?:[- ][0-9]{{2,4}})?"
    rf"|(?:{MONTH})\.?[- ][0-9]{{1,2}}"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}[ T]00:00:00(?:\.0+)?",
    re.IGNORECASE,
)
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9:.]+\Z)?")
#: An id as pandas writes numbers in a column with an empty cell.
_FRACTION: Final = re.compile(r"[0-9]+\.([0-9]+)")
_REMARK: Final = "#"
_CURE_OF_IDS: Final = "write what it was, and make the column text in the spreadsheet before it is entered"


def formula_error(text: str) -> Doubt | None:
    """Return a doubt about a formula, or a formula's error."""
    if text[0] == "=" and _FORMULA.fullmatch(text):
        says = "is a spreadsheet's formula, and not its value"
        return Doubt(WarningKind.SPREADSHEET_ERROR, says, "write what it shows")
    if text[0] != "#" or not _FORMULA_ERROR.fullmatch(text):
        return None
    cure = "correct the formula, or clear the cell"
    return Doubt(WarningKind.SPREADSHEET_ERROR, "is a spreadsheet's error", cure)


def is_absent(text: str) -> bool:
    """Report whether a text is a word for no value."""
    return len(text) <= _LONGEST and text.lower() in ABSENT


def absent(text: str, company: Company) -> Doubt | None:
    """Return a doubt about a word for no value, if other rows have files."""
    if not is_absent(text):
        return None
    says = "is sent as text, where other rows have files"
    cure = "leave the cell empty, or the field out, where there is none"
    return Doubt(WarningKind.NOT_AVAILABLE, says, cure, holds=lambda: company.files)


def unfilled(text: str, name: str) -> Doubt | None:
    """Return a doubt about a type or example of ``womtool inputs`` or a manual in place of a value."""
    is_type = _TYPE.fullmatch(text) and not name.endswith(_CLASS)
    if not is_type and not _TO_FILL_IN.fullmatch(text):
        return None
    says = f"is {'a type of WDL' if is_type else 'to be filled in'}, and no value"
    return Doubt(WarningKind.PLACEHOLDER, says, "write the value, or leave it out where it is optional")


def long_number(text: str) -> Doubt | None:
    """Return a doubt about a long number as spreadsheets show it."""
    if len(text) > _LONGEST or not _SCIENTIFIC.fullmatch(text):
        return None
    says = "looks like a long number that a spreadsheet has cut short"
    return Doubt(WarningKind.SPREADSHEET_ID, says, _CURE_OF_IDS)


#: Illumina's name for reads whose index is no sample's.
UNDETERMINED: Final = "undetermined"


def no_id(text: str, company: Company) -> Doubt | None:
    """Return a doubt about an id that a program wrote for a missing value or sample, or as 1.0 for 1."""
    if is_absent(text):
        says = "says that there is none, and is the id of a run"
        return Doubt(WarningKind.NOT_AVAILABLE, says, "write the id, or remove the line")
    if text.lower() == UNDETERMINED:
        says = "is what demultiplexing calls the reads of no sample, and becomes a run"
        return Doubt(WarningKind.NOT_AVAILABLE, says, "remove the line, unless they are to be run too")
    found = _FRACTION.fullmatch(text)
    if found is None or found[1] != "0":
        company.fractions |= found is not None
        return None
    says = "looks like a whole number that a program has made a fraction of"
    cure = "write what it was: with another id the row is another run"
    return Doubt(WarningKind.SPREADSHEET_ID, says, cure, holds=lambda: not company.fractions)


def own_name(text: str, column: WatchedColumn) -> Doubt | None:
    """Return a doubt about an id that is the name of its column: another table's line of names."""
    if text.lower() != column.name.strip().lower():
        return None
    says = "is the name of its column, and becomes a run"
    return Doubt(WarningKind.REMARK, says, "remove the line if it has the names of columns")


def remark(text: str, company: Company) -> Doubt | None:
    """Return a doubt about an id that begins like a comment, if others do not."""
    if text[0] != _REMARK:
        company.unmarked = True
        return None
    says = "looks like a remark (#), and becomes a run"
    return Doubt(WarningKind.REMARK, says, "remove the line if it is one", holds=lambda: company.unmarked)


def of_name(name: str) -> Doubt | None:
    """Return a doubt about a parameter with the name of a comment in a JSON of inputs."""
    if name[0] != _REMARK:
        return None
    says = "looks like a remark (#), and becomes a parameter"
    return Doubt(WarningKind.REMARK, says, "remove it if it is one", cause=says)


def made_a_date(text: str) -> Doubt | None:
    """Return a doubt about an id that a spreadsheet may have turned into a date."""
    if len(text) > _LONGEST or not _DATE.fullmatch(text):
        return None
    says = "looks like an id that a spreadsheet has turned into a date"
    return Doubt(WarningKind.SPREADSHEET_ID, says, _CURE_OF_IDS)


def dated(text: str, company: Company) -> Doubt | None:
    """Return a doubt about an id that is a date, as workbooks have it, if others have none in them."""
    if not _DAY.fullmatch(text):
        company.undated |= not _DAY.search(text)
        return None
    says = "is a date, where other ids have none: a spreadsheet makes one of MAR1"
    return Doubt(WarningKind.SPREADSHEET_ID, says, _CURE_OF_IDS, holds=lambda: company.undated)


#: Kinds that are errors in an id, and reported as such.
_WRONG_IN_ID: Final = frozenset({WarningKind.WHITE_SPACE, WarningKind.INVISIBLE})


def doubts(text: str, column: WatchedColumn, today: date, *, is_cell: bool) -> Iterator[Doubt]:
    """Yield all doubts about a text, which is not empty, and note its kind for others of its column.

    Versions are retired as of *today*; *is_cell*: the text is from a table.
    """
    if len(text) > limits.LOOKED_AT:
        return
    for doubt in of_characters(text, is_cell=is_cell):
        if column.name != "id" or doubt.kind not in _WRONG_IN_ID:
            yield doubt
    meant = bare(text)
    if meant:
        yield from _of_meaning(meant, column, today)


def _of_meaning(text: str, column: WatchedColumn, today: date) -> Iterator[Doubt]:
    if error := formula_error(text):
        yield error
    elif column.is_parameter:
        # First, since it notes whether there are files, by which a word for no value is judged.
        yield from of_place(text, column.company)
        if found := absent(text, column.company) or unfilled(text, column.name):
            yield found
    if column.is_id:
        # The first that finds something counts; some note what other ids are judged by.
        found = (
            long_number(text.upper())  # R and workbooks have a small e
            or made_a_date(text)
            or dated(text, column.company)
            or no_id(text, column.company)
            or own_name(text, column)
            or remark(text, column.company)
        )
        yield from [found] if found else []
    if column.name == engine.FIELD and (old := engine.retired(text, today)):
        yield old
