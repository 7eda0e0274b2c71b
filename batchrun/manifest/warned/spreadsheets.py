"""
What spreadsheets, and programs that export tables, leave in cells: errors, ``NA``, and ids turned into dates.

Belongs here: those texts. Sound: ``0042``, ISO dates, ``NA`` in a column that holds no files.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from batchrun.manifest.warned.kinds import Doubt, Kind

if TYPE_CHECKING:
    from batchrun.manifest.warned.columns import Company

#: In English, German, French, Spanish; a column that was too narrow is copied as ####.
_ERROR: Final = re.compile(
    r"#(?:REF!|VALUE!|NAME\?|DIV/0!|NULL!|NUM!|N/A|SPILL!|CALC!|FIELD!|BLOCKED!|BUSY!|CONNECT!|UNKNOWN!"
    r"|GETTING_DATA|BEZUG!|WERT!|ZAHL!|NV|ÜBERLAUF!|VALEUR!|NOM\?|NOMBRE!|NUL!|¡REF!|¡VALOR!|¡NUM!|¿NOMBRE\?"
    r"|¡DIV/0!|¡NULO!|#+)",
    re.IGNORECASE,
)
#: Words for no value, in lower case.
ABSENT: Final = frozenset(
    {"na", "n/a", "n.a.", "<na>", "null", "nil", "none", "nan", "nat", "missing", "-", "--", ".", "?"}
)
_LONGEST: Final = 32
#: A long number, as Excel shows it; with a comma where its language has one.
_SCIENTIFIC: Final = re.compile(r"[0-9](?:[.,][0-9]{1,14})?E\+[0-9]{2}")
#: Months as spreadsheets cut them short: a regular expression.
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
_CURE: Final = "write what it was, and make the column text in the spreadsheet before it is entered"


def error(text: str) -> Doubt | None:
    """Doubt the error of a formula."""
    if text[0] != "#" or not _ERROR.fullmatch(text):
        return None
    cure = "mend the formula, or clear the cell"
    return Doubt(kind=Kind.SPREADSHEET_ERROR, says="is a spreadsheet's error", cure=cure)


def is_absent(text: str) -> bool:
    """Report whether a text says that there is no value."""
    return len(text) <= _LONGEST and text.lower() in ABSENT


def absent(text: str, company: Company) -> Doubt | None:
    """Doubt a word for no value, where other rows have files."""
    if not is_absent(text):
        return None
    says = "goes out as text, where other rows have files"
    cure = "leave the cell empty, or the field out, where there is none"
    return Doubt(kind=Kind.NOT_AVAILABLE, says=says, cure=cure, holds=company.has_files)


def long_number(text: str) -> Doubt | None:
    """Doubt a number as a spreadsheet shows long ones."""
    if len(text) > _LONGEST or not _SCIENTIFIC.fullmatch(text):
        return None
    says = "looks like a long number that a spreadsheet has cut short"
    return Doubt(kind=Kind.SPREADSHEET_ID, says=says, cure=_CURE)


def date(text: str) -> Doubt | None:
    """Doubt an id that a spreadsheet may have taken for a date."""
    if len(text) > _LONGEST or not _DATE.fullmatch(text):
        return None
    says = "looks like an id that a spreadsheet has made a date of"
    return Doubt(kind=Kind.SPREADSHEET_ID, says=says, cure=_CURE)
