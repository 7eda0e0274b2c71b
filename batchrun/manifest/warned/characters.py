"""
Characters that nobody sees, or that pass for others: white space at the ends, no-break spaces, curly quotes.

Sound: spaces within a text (``s3://b/a b.fq.gz``), the apostrophe of a word.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

from batchrun.manifest.warned.kinds import Doubt, Kind
from batchrun.manifest.warned.shown import named

if TYPE_CHECKING:
    from collections.abc import Iterator

_INVISIBLE: Final = re.compile(
    "[\u00a0\u00ad\u061c\u180e\u2007\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb]"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)
_WORDS: Final = {
    "\u00a0": "a no-break space",
    "\u202f": "a no-break space",
    "\u2007": "a no-break space",
    "\u200b": "a zero-width space",
    "\u2060": "a zero-width space",
    "\ufeff": "a zero-width space",
    "\u00ad": "a soft hyphen",
}
#: The last kind is an apostrophe where a letter stands before it.
_QUOTES: Final = re.compile("[\u201c-\u201f\u2018\u201a\u201b]|(?<![^\\W\\d_])\u2019")
_ENCLOSED: Final = re.compile(r"""(["'])(?:\S*:/+\S*|/\S+)\1""")
#: Full-width forms of ASCII, as East Asian keyboards give them.
_WIDE: Final = re.compile("[\uff01-\uff5e]")
_LOST: Final = "\ufffd"
#: What may stand around a value by mistake.
_AROUND: Final = re.compile(
    "^[\\s\"'\u00a0\u200b\u2060\ufeff\u201c-\u201f\u2018-\u201b]+|[\\s\"'\u00a0\u200b\u2060\ufeff\u201c-\u201f\u2018-\u201b]+$"
)


def doubts(text: str, *, is_cell: bool) -> Iterator[Doubt]:
    """
    Doubt characters of a text that is not empty.

    Args:
        text: The text.
        is_cell: Whether it is a table's. In a document quotes and line ends were written on purpose: a text
            of nothing but white space, or with lines, is sound there.
    """
    if text[0].isspace() or text[-1].isspace():
        yield from _white_space(text, is_cell=is_cell)
    if not text.isascii() or not text.isprintable():
        yield from _strange(text)
    if _ENCLOSED.fullmatch(text):
        yield Doubt(kind=Kind.QUOTES, says="has quotes around it", cure="remove them")


def bare(text: str) -> str:
    """Return what a value is meant to be: without what stands around it by mistake, in plain characters."""
    return _AROUND.sub("", text if text.isascii() else unicodedata.normalize("NFKC", text))


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
        yield Doubt(kind=Kind.WHITE_SPACE, says=f"has white space {where}", cure="remove it", at=at)


def _strange(text: str) -> Iterator[Doubt]:
    if found := _INVISIBLE.search(text):
        what = _WORDS.get(found[0], "a character that cannot be seen")
        says = f"has {what} ({named(found[0])})"
        cure = "remove it, or type a plain space" if unicodedata.category(found[0]) == "Zs" else "remove it"
        yield Doubt(kind=Kind.INVISIBLE, says=says, cure=cure, at=found.start())
    if found := _QUOTES.search(text):
        cure = "remove them, or type plain ones (' or \")"
        yield Doubt(
            kind=Kind.QUOTES, says=f"has curly quotes ({named(found[0])})", cure=cure, at=found.start()
        )
    if (found := _WIDE.search(text)) and "://" in unicodedata.normalize("NFKC", text):
        plain = unicodedata.normalize("NFKC", found[0])
        says = f"has a full-width {plain} ({named(found[0])})"
        yield Doubt(kind=Kind.LOOK_ALIKE, says=says, cure=f"type a plain {plain}", at=found.start())
    if (at := text.find(_LOST)) >= 0:
        cure = "export the table once more, in UTF-8, or give --encoding"
        yield Doubt(kind=Kind.LOOK_ALIKE, says="has a character that was lost (U+FFFD)", cure=cure, at=at)
