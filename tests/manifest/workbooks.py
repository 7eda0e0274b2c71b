"""Excel workbooks, made by hand: nobody's writer makes the bad ones."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
#: Formats of cells, by their numbers: none, date, date and time, time, hours beyond a day, percent.
_STYLES = "".join(f'<xf numFmtId="{number}"/>' for number in (0, 14, 22, 21, 46, 10))


def text(reference: str, content: str) -> str:
    """Make a cell of text."""
    return f'<c r="{reference}" t="inlineStr"><is><t xml:space="preserve">{escape(content)}</t></is></c>'


def row(number: int, *cells: str) -> str:
    return f'<row r="{number}">{"".join(cells)}</row>'


def texts(*rows: tuple[str, ...]) -> str:
    """Make the rows of a worksheet in which all cells are text."""
    return "".join(
        row(number, *(text(f"{'ABCDEFGH'[column]}{number}", cell) for column, cell in enumerate(cells)))
        for number, cells in enumerate(rows, start=1)
    )


def workbook(
    sheets: Mapping[str, str], *, hidden: tuple[str, ...] = (), parts: Mapping[str, str | int] | None = None
) -> bytes:
    """
    Make a workbook.

    Args:
        sheets: The worksheets' rows by their names.
        hidden: The names of those that are hidden.
        parts: Other parts, or other content of some, by their paths; a number is so many MiB of blanks.
    """
    own: dict[str, str | int] = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/styles.xml": f"<styleSheet {_MAIN}><cellXfs>{_STYLES}</cellXfs></styleSheet>",
    }
    listed, relations = "", f'<Relationship Id="rS" Type="{_OFFICE}/styles" Target="styles.xml"/>'
    for number, (name, rows) in enumerate(sheets.items(), start=1):
        state = ' state="hidden"' if name in hidden else ""
        listed += f'<sheet name={quoteattr(name)} sheetId="{number}"{state} r:id="r{number}"/>'
        relations += (
            f'<Relationship Id="r{number}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{number}.xml"/>'
        )
        own[f"xl/worksheets/sheet{number}.xml"] = (
            f"<worksheet {_MAIN}><sheetData>{rows}</sheetData></worksheet>"
        )
    own["xl/workbook.xml"] = f'<workbook {_MAIN} xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>'
    own["xl/_rels/workbook.xml.rels"] = (
        f'<Relationships xmlns="{_PACKAGE}/relationships">{relations}</Relationships>'
    )
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path, content in {**own, **(parts or {})}.items():
            with archive.open(path, "w") as part:
                if isinstance(content, str):
                    part.write(content.encode())
                else:
                    part.writelines([b" " * 1024 * 1024] * content)
    return made.getvalue()
