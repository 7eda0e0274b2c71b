"""Excel workbooks are read as a person reads them, and bad ones end in a word."""

from __future__ import annotations

import gzip
import io
import json
import pathlib
import subprocess
import sys

import pytest

from batchrun.manifest import Format, Source, load
from batchrun.manifest.sheet_wishes import SheetOptions
from batchrun.manifest.table import TableOptions
from tests.manifest.conftest import SETS, LoadText, ProblemsOf
from tests.manifest.workbooks import row, text, texts, workbook

PLAIN = texts(("id", "parameters.r"), ("S1", "a"), ("S2", "b"))
EVERY = SheetOptions(id="id", columns_as_parameters=("all",))


def test_a_manifest_may_be_a_workbook(load_text: LoadText):
    specs = load_text(workbook({"Samples": PLAIN}), ".xlsx")
    assert [json.loads(spec.request)["parameters"] for spec in specs] == [{"r": "a"}, {"r": "b"}]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".XLSX", ".xlsx.gz", ".csv.gz"])
def test_it_is_known_by_its_bytes(load_text: LoadText, suffix: str):
    made = workbook({"Samples": PLAIN})
    assert len(load_text(gzip.compress(made) if suffix.endswith("gz") else made, suffix)) == 2


def test_it_may_come_by_standard_input():
    source = Source(path="-", format=Format.CSV, batch="b", sets=SETS)
    with load(source, stdin=io.BytesIO(workbook({"Samples": PLAIN}))) as manifest:
        assert manifest.count == 2


def test_a_table_in_text_may_be_called_a_workbook(load_text: LoadText):
    assert len(load_text("id;parameters.r\nS1;a\n", ".xlsx")) == 1


def test_a_manifest_may_name_one_as_its_sheet(tmp_path: pathlib.Path):
    (tmp_path / "lims.xlsx").write_bytes(
        workbook({"A": PLAIN, "B": texts(("id", "r"), ("S1", "x"), ("S1", "y"))})
    )
    (tmp_path / "m.yaml").write_text(
        'sheet: lims.xlsx\nworksheet: B\ngroup_by: id\neach: {parameters: {r: ["{r}"]}}\n'
    )
    with load(Source(path=str(tmp_path / "m.yaml"), sets=SETS)) as manifest:
        (spec,) = manifest.specs()
    assert json.loads(spec.request)["parameters"] == {"r": ["x", "y"]}


CELLS = {
    # as a person reads it: the cell
    "16": '<c r="B2"><v>16</v></c>',
    "0.5": '<c r="B2"><v>0.5</v></c>',
    "0.3": '<c r="B2"><v>0.30000000000000004</v></c>',
    "-7": '<c r="B2"><v>-7</v></c>',
    "205000000000": '<c r="B2"><v>205000000000</v></c>',
    "1e+21": '<c r="B2"><v>1E21</v></c>',
    "true": '<c r="B2" t="b"><v>1</v></c>',
    "false": '<c r="B2" t="b"><v>0</v></c>',
    "2023-03-15": '<c r="B2" s="1"><v>45000</v></c>',
    "2023-03-15T12:00:00": '<c r="B2" s="2"><v>45000.5</v></c>',
    "12:00:00": '<c r="B2" s="3"><v>0.5</v></c>',
    "36:00:00": '<c r="B2" s="4"><v>1.5</v></c>',
    "0.25": '<c r="B2" s="5"><v>0.25</v></c>',
    "2026-11-08": '<c r="B2" t="d"><v>2026-11-08</v></c>',
    "0042": text("B2", "0042"),
    "1.0": text("B2", "1.0"),
    "TRUE": text("B2", "TRUE"),
    " a\n<b> ": text("B2", " a\n<b> "),
    "32": '<c r="B2"><f>16*2</f><v>32</v></c>',
    "0": '<c r="B2"><f>1-1</f><v>0</v></c>',
    "joined": '<c r="B2" t="str"><f>A1&amp;B1</f><v>joined</v></c>',
    "#REF!": '<c r="B2" t="e"><f>X!1</f><v>#REF!</v></c>',
    "#N/A": '<c r="B2" t="e"><v>#N/A</v></c>',
    "x" * 32_767: text("B2", "x" * 32_767),
}


@pytest.mark.long
@pytest.mark.parametrize("expected", CELLS, ids=lambda expected: expected[:20])
def test_a_cell_is_what_a_person_reads(load_text: LoadText, expected: str):
    rows = row(1, text("A1", "id"), text("B1", "parameters.r")) + row(2, text("A2", "S1"), CELLS[expected])
    (spec,) = load_text(workbook({"A": rows}), ".xlsx")
    assert json.loads(spec.request)["parameters"] == {"r": expected}


MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def test_zeros_that_a_format_writes_before_a_number_are_kept(load_text: LoadText):
    formats = '<numFmt numFmtId="164" formatCode="0000"/><numFmt numFmtId="165" formatCode="0.00"/>'
    styles = "".join(f'<xf numFmtId="{number}"/>' for number in (0, 164, 165))
    parts = {
        "xl/styles.xml": f"<styleSheet {MAIN}><numFmts>{formats}</numFmts>"
        f'<cellStyleXfs><xf numFmtId="0"/></cellStyleXfs><cellXfs>{styles}</cellXfs></styleSheet>'
    }
    rows = row(2, text("B2", "id"), text("C2", "parameters.a"), text("D2", "parameters.b"))
    for number in (3, 4, 5):
        value = 12_345 if number == 5 else 40 + number
        cells = f'<c r="B{number}" s="1"><v>{value}</v></c><c r="C{number}" s="2"><v>0.125</v></c>'
        rows += row(number, cells, f'<c r="D{number}" s="1"><v>{number}</v></c>')
    found = {
        spec.id: json.loads(spec.request)["parameters"]
        for spec in load_text(workbook({"A": rows}, parts=parts), ".xlsx")
    }
    assert found == {
        "0043": {"a": "0.125", "b": "0003"},
        "0044": {"a": "0.125", "b": "0004"},
        "12345": {"a": "0.125", "b": "0005"},
    }


@pytest.mark.long
@pytest.mark.parametrize(
    ("value", "code", "seen"),
    [
        ("8", "0000", "0008"),
        ("7.0", "0000", "0007"),
        ("1E2", "0000", "0100"),
        ("-5", "0000", "-0005"),
        ("12345", "0000", "12345"),
        ("0.5", "0000", "0.5"),
        ("8", "&quot;RNA-&quot;000", "RNA-008"),
        ("8", "\\S\\-00", "S-08"),
        ("8", "&quot;P&quot;-0", "P-8"),
        ("8", "&quot;$&quot;0", "8"),
        ("8", "&quot;EUR &quot;0", "8"),
        ("8", "0&quot; ml&quot;", "8"),
        ("8", "00&quot; ml&quot;", "8"),
        ("8", "00%", "8"),
        ("8", "&quot;none&quot;", "8"),
        ("8", "[$-407]000", "008"),
        ("8", "[Red]000_);\\(000\\)", "008"),
        ("8", "[&gt;5]000;0", "8"),
        ("8", "000&quot;T&quot;", "008T"),
        ("8", "&quot;S&quot;General", "S8"),
        ("8", "&quot;S&quot;##0", "S8"),
        ("123", "000\\-00\\-0000", "000-00-0123"),
        ("1234", "#\\ ##0", "1234"),
        ("5551234", "###\\-####", "5551234"),
        ("1234", "0\\ 000", "1234"),
        ("1234", "0 000", "1234"),
        ("1234567890123", "000\\-00\\-0000", "1234567-89-0123"),
    ],
)
def test_zeros_and_names_stand_before_a_number_as_its_format_writes_them(
    load_text: LoadText, value: str, code: str, seen: str
):
    styles = f'<numFmts><numFmt numFmtId="164" formatCode="{code}"/></numFmts><cellXfs><xf numFmtId="164"/>'
    parts = {"xl/styles.xml": f"<styleSheet {MAIN}>{styles}</cellXfs></styleSheet>"}
    rows = row(1, text("A1", "id"), text("B1", "parameters.n"))
    rows += row(2, text("A2", "a"), f'<c r="B2" s="0"><v>{value}</v></c>', '<c r="C2" s="0"/>')
    (spec,) = load_text(workbook({"A": rows}, parts=parts), ".xlsx")
    assert json.loads(spec.request)["parameters"] == {"n": seen}


SHOW = (
    "to read them too, show them (in Excel: Data > Clear, or select all, and Unhide); "
    "else copy the rows that are visible into a workbook of their own, and give that"
)


@pytest.mark.parametrize(
    ("rows", "merged", "said", "cure"),
    [
        (
            texts(("id", "parameters.r"), ("S1", "a"), ("S2", "")),
            "B2:B3",
            "the cells B2:B3 are merged, and only the first of them has the value",
            "select all, unmerge (in Excel: Home > Merge & Center), and write 'a' into each",
        ),
        (
            texts(("id", "parameters.r"), ("S1", "a"), ("S2", "")),
            'B2:B3"/><mergeCell ref="C1:D1"/><mergeCell ref="A7:A9',
            "the cells B2:B3 are merged, and only the first of them has the value (others too: A7:A9)",
            "select all, unmerge (in Excel: Home > Merge & Center), and write 'a' into each",
        ),
        (
            texts(("id", "parameters.r"), ("S1", "a"))
            + '<row r="3" hidden="1">'
            + text("A3", "S2")
            + "</row>",
            "D1:D2",
            "row 3 is hidden, by a filter perhaps, and would be read all the same",
            SHOW,
        ),
        (
            texts(("id", "parameters.r"), ("S1", "a"))
            + "".join(
                f'<row r="{at}" hidden="1">{text(f"A{at}", f"S{at}") if at != 6 else ""}</row>'
                for at in (3, 5, 6, 7, 8, 9)
            ),
            "D1:D2",
            "rows 3, 5, 7-9 (5 in all) are hidden, by a filter perhaps, and would be read all the same",
            SHOW,
        ),
    ],
)
def test_what_a_person_sees_otherwise_is_refused(
    problems_of: ProblemsOf, rows: str, merged: str, said: str, cure: str
):
    sheet = f'<mergeCells><mergeCell ref="{merged}"/></mergeCells>'
    whole = f"<worksheet {MAIN}><sheetData>{rows}</sheetData>{sheet}</worksheet>"
    (problem,) = problems_of(workbook({"A": rows}, parts={"xl/worksheets/sheet1.xml": whole}), ".xlsx")
    assert (problem.message, problem.cure) == (said, cure)


@pytest.mark.parametrize("merged", ["A1:B1", "D1:D9", "B3:B4"])
def test_merged_cells_that_hide_nothing_are_passed_over(load_text: LoadText, merged: str):
    rows = texts(("id", "parameters.r"), ("S1", "a"), ("S2", "")) + '<row r="9" hidden="1"/>'
    rows += f'<row r="10" hidden="1"><c r="A10" s="0"/>{text("B10", " ")}</row>'
    sheet = f'<autoFilter ref="A1:B3"/><mergeCells><mergeCell ref="{merged}"/></mergeCells>'
    whole = f"<worksheet {MAIN}><sheetData>{rows}</sheetData>{sheet}</worksheet>"
    assert len(load_text(workbook({"A": rows}, parts={"xl/worksheets/sheet1.xml": whole}), ".xlsx")) == 2


OFFICE = "http://schemas.openxmlformats.org/OFFICEDocument/2006/relationships"
RELATIONS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    f'<Relationship Id="r1" Type="{OFFICE}/worksheet" Target="/xl/worksheets/sheet1.xml"/>'
    f'<Relationship Id="r2" Type="{OFFICE}/sharedStrings" Target="sharedStrings.xml"/></Relationships>'
)


def test_shared_texts_are_found(load_text: LoadText):
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    rich = "<r><t xml:space='preserve'>in </t></r><r><t>two</t></r>"
    shared = f"<sst {main}><si><t>S1</t></si><si>{rich}</si></sst>"
    rows = row(1, text("A1", "id"), text("B1", "parameters.r"))
    rows += row(2, '<c r="A2" t="s"><v>0</v></c>', '<c r="B2" t="s"><v>1</v></c>')
    parts = {"xl/sharedStrings.xml": shared, "xl/_rels/workbook.xml.rels": RELATIONS}
    (spec,) = load_text(workbook({"A": rows}, parts=parts), ".xlsx")
    assert (spec.id, json.loads(spec.request)["parameters"]) == ("S1", {"r": "in two"})


def test_what_is_empty_around_the_table_is_passed_over_and_rows_are_counted(problems_of: ProblemsOf):
    rows = row(3, text("B3", "id"), text("C3", "priority"), text("E3", " "))
    rows += row(5, text("B5", "S1"), '<c r="C5"><v>7</v></c>')
    rows += row(6, text("B6", " ")) + row(7, text("B7", "S2"), '<c r="C7"><v>0.5</v></c>')
    (problem,) = problems_of(workbook({"A": rows}), ".xlsx")
    assert (problem.line, problem.field) == (7, "priority")
    assert "'0.5' is not a whole number" in problem.message


def test_a_hidden_worksheet_is_taken_only_when_it_is_named(load_text: LoadText, problems_of: ProblemsOf):
    made = workbook({"Old": texts(("id",), ("S9",)), "New": PLAIN}, hidden=("Old",))
    assert [spec.id for spec in load_text(made, ".xlsx")] == ["S1", "S2"]
    assert [spec.id for spec in load_text(made, ".xlsx", asked=TableOptions(worksheet="Old"))] == ["S9"]
    (problem,) = problems_of(workbook({"Old": PLAIN}, hidden=("Old",)), ".xlsx")
    assert "no worksheet is visible" in problem.message


@pytest.mark.long
def test_which_of_several_is_asked(load_text: LoadText, problems_of: ProblemsOf):
    made = workbook({"A & B": PLAIN, "\x9b2J": PLAIN})
    (problem,) = problems_of(made, ".xlsx")
    assert "there are 2 worksheets" in problem.message
    assert "--worksheet with one of 'A & B'" in problem.cure
    assert len(load_text(made, ".xlsx", asked=TableOptions(worksheet="A & B"))) == 2
    empty = workbook({"Sheet1": "", "A": PLAIN, "Sheet3": ""})
    assert len(load_text(empty, ".xlsx")) == 2
    for name in ("C", "x" * 100_000, "\0", "\udc80"):
        (problem,) = problems_of(made, ".xlsx", asked=TableOptions(worksheet=name))
        assert "there is no worksheet" in problem.message


FAR = row(1, text("A1", "id")) + row(1048576, text("XFD1048576", "x"))
LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(12))
    + "]><worksheet><sheetData><row r='1'><c r='A1' t='inlineStr'><is><t>&m;</t></is></c></row></sheetData>"
    + "</worksheet>"
)


def bad() -> dict[str, tuple[bytes, str]]:
    """Make what is bad, and what is said of it; where it is wanted, since it is hundreds of mebibytes."""
    return {
        "two cells far apart": (
            workbook({"A": FAR}),
            "up to cell XFD1048576 there is room for more than 4194304",
        ),
        "a bomb": (workbook({"A": PLAIN}, parts={"xl/media/x": 300}), "more than 256 MiB"),
        "blanks": (workbook({"A": PLAIN}, parts={"xl/worksheets/sheet1.xml": 250}), "cannot be read"),
        "billion laughs": (
            workbook({"A": ""}, parts={"xl/worksheets/sheet1.xml": LAUGHS}),
            "declares entities",
        ),
        "wide": (
            workbook(
                {"A": row(1, *('<c r="XFA1"><v>1</v></c>', text("A1", "id"))) + row(2, text("A2", "x"))}
            ),
            "there are 16381 columns",
        ),
        "shared texts": (
            workbook(
                {"A": PLAIN}, parts={"xl/sharedStrings.xml": 250, "xl/_rels/workbook.xml.rels": RELATIONS}
            ),
            "takes more than 256 MiB or 30 s",
        ),
        "no value": (workbook({"A": row(1, '<c r="B1"><f>1+1</f></c>')}), "formula of cell B1 has no value"),
        "no value yet": (
            workbook({"A": row(1, '<c r="B1"><f>1+1</f><v>0</v></c>')}, parts=BY_A_PROGRAM),
            "formula of cell B1 has no value",
        ),
        "no text yet": (
            workbook({"A": row(1, '<c r="B1" t="str"><f>A1&amp;1</f><v></v></c>')}, parts=BY_A_PROGRAM),
            "formula of cell B1 has no value",
        ),
        "no place": (workbook({"A": row(1, "<c><v>1</v></c>")}), "has no reference"),
        "no worksheet's part": (
            workbook({"A": ""}, parts={"xl/_rels/workbook.xml.rels": "<x/>"}),
            "cannot be read",
        ),
        "broken XML": (workbook({"A": "<row"}), "cannot be read"),
        "nothing": (workbook({"A": ""}), "the file is empty"),
        "another archive": (workbook({}, parts={"xl/workbook.xml": "<x/>"}), "cannot be read"),
        "no archive": (b"PK\x03\x04abc", "cannot be read"),
        "half": (workbook({"A": PLAIN})[:-100], "cannot be read"),
    }


#: What XlsxWriter and others write who find no values.
BY_A_PROGRAM = {
    "xl/workbook.xml": f'<workbook {MAIN} xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/'
    'relationships"><sheets><sheet name="A" sheetId="1" r:id="r1"/></sheets>'
    '<calcPr calcId="124519" fullCalcOnLoad="1"/></workbook>'
}

MEASURED = """
import resource, sys
from batchrun.errors import ManifestError
from batchrun.manifest import Source, load
from tests.peak import peak
sets = ("workflowId=1", "roleArn=arn:aws:iam::1:role/x", "outputUri=s3://b/")
for path in sys.argv[1:]:
    try:
        load(Source(path=path, sets=sets))
    except ManifestError as error:
        print(error)
unit = 1024 if sys.platform == "darwin" else 1
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // unit, peak())
"""


@pytest.mark.long
def test_bad_ones_end_in_a_word_within_bounds(tmp_path: pathlib.Path):
    cases = bad()
    paths = [tmp_path / f"{case}.xlsx" for case in cases]
    for path, (made, _) in zip(paths, cases.values(), strict=True):
        path.write_bytes(made)
    command = [sys.executable, "-c", MEASURED, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    *told, used = (line for line in done.stdout.splitlines() if not line.startswith(" "))
    for path, (_, part), message in zip(paths, cases.values(), told, strict=True):
        assert part in message
        assert path.name in message
    assert all(0 < int(kib) < 300 * 1024 for kib in used.split())


def test_one_that_is_too_large_is_told(monkeypatch, problems_of: ProblemsOf):
    monkeypatch.setattr("batchrun.manifest.limits.WORKBOOK", 100)
    (problem,) = problems_of(workbook({"A": PLAIN}), ".xlsx")
    assert "this workbook has more than 0 MiB" in problem.message


def test_memory_that_is_not_enough_is_told(monkeypatch, problems_of: ProblemsOf):
    monkeypatch.setattr("batchrun.manifest.limits.WORKBOOK_MEMORY", 1024 * 1024)
    many = texts(("id", "parameters.r"), *((f"S{number}", "a" * 100) for number in range(5000)))
    assert "takes more than 1 MiB" in problems_of(workbook({"A": many}), ".xlsx")[-1].message


def test_without_the_library_it_is_told_what_to_install(monkeypatch, problems_of: ProblemsOf):
    monkeypatch.setattr("batchrun.manifest.tables.workbook._LIBRARY", "no_such_module")
    (problem,) = problems_of(workbook({"A": PLAIN}), ".xlsx")
    assert "pip install 'batchrun[excel]'" in problem.cure


def test_nothing_of_the_working_directory_is_run(tmp_path: pathlib.Path, monkeypatch, load_text: LoadText):
    (tmp_path / "zipfile.py").write_text("raise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    assert len(load_text(workbook({"A": PLAIN}), ".xlsx")) == 2


def test_a_name_that_became_a_date_is_warned_of(tmp_path: pathlib.Path):
    """A sample MAR1 is one as soon as it is typed, whatever the cell shows."""
    day = '<c r="A3" s="1"><v>46082</v></c>'
    rows = row(1, text("A1", "id")) + row(2, text("A2", "JUN2B")) + row(3, day)
    (tmp_path / "m.xlsx").write_bytes(workbook({"runs": rows}))
    with load(Source(path=str(tmp_path / "m.xlsx"), sets=(*SETS, "parameters.of={id}"))) as manifest:
        (warning,) = manifest.warnings
    assert (warning.kind, warning.line, warning.row) == ("spreadsheet_id", 3, "2026-03-01")
