"""Each kind of value that is hardly meant, as it was met, and what is sound beside it."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from batchrun.manifest.sheet_wishes import SheetOptions
from batchrun.manifest.warned.texts import bare, of_characters
from tests.manifest.warned.conftest import WarningsOf, table

URI = "s3://lab/S0_R1.fastq.gz"

#: By name: cells of one column, the kind, and parts of what is said of the last of them.
DOUBTFUL: dict[str, tuple[list[str], str, str, str]] = {
    "a space behind": ([f"{URI} "], "white_space", f"'{URI} ' has white space behind it", "remove it"),
    "a space before": ([f" {URI}"], "white_space", f"' {URI}' has white space before it", "remove it"),
    "tabs around": ([f"\t{URI}\t"], "white_space", f"'<U+0009>{URI}<U+0009>' has white space at both", ""),
    "a line break within a URI": (["s3://lab/in/\nS1.fq.gz"], "white_space", "has a line break in it", ""),
    "a word with a space": (["auto "], "white_space", "'auto ' has white space behind it", ""),
    "a no-break space behind": (
        [f"{URI}\u00a0"],
        "invisible_character",
        f"'{URI}<U+00A0>' has a no-break",
        "",
    ),
    "a no-break space within": (
        ["a\u00a0b"],
        "invisible_character",
        "'a<U+00A0>b' has a no-break",
        "plain space",
    ),
    "a zero-width space": (["s3://lab/S3\u200b_R1.fq"], "invisible_character", "S3<U+200B>_R1", "remove"),
    "a mark of bytes": (["\ufeffauto"], "invisible_character", "<U+FEFF>auto", ""),
    "curly quotes": ([f"\u201c{URI}\u201d"], "quotes", "has curly quotes (U+201C)", "type plain ones"),
    "single curly quotes": (["\u2018auto\u2019"], "quotes", "has curly quotes (U+2018)", ""),
    "quotes within quotes": ([f"'{URI}'"], "quotes", "has quotes around it", "remove them"),
    "a full-width colon": (["s3\uff1a//lab/a"], "look_alike_character", "full-width : (U+FF1A)", "plain :"),
    "a dash for a hyphen": (
        [URI, "s3://lab/S1\u2013R1.fq"],
        "look_alike_character",
        "long dash (U+2013)",
        "-",
    ),
    "a minus for one": (["S1\u2212R1"], "look_alike_character", "long dash (U+2212)", "type a hyphen (-)"),
    "what was cut": ([URI, "s3://lab/S\u2026.fq"], "look_alike_character", "ellipsis (U+2026)", "all of it"),
    "a Cyrillic letter": ([URI, "s3://lab/\u0421.fq"], "look_alike_character", "a Cyrillic letter", "Latin"),
    "a Greek letter": (
        ["\u0392RCA1"],
        "look_alike_character",
        "a Greek letter that looks like a",
        "Latin one",
    ),
    "dots for a row to come": ([URI, "..."], "not_available", "'...' is sent as text, where other rows", ""),
    "a lost letter": (["M\ufffdller"], "look_alike_character", "was lost (U+FFFD)", "--encoding"),
    "one slash": (
        ["s3:/lab/a.fq"],
        "not_s3",
        "'s3:/lab/a.fq' is not a valid s3:// URI",
        "write 's3://lab/a.fq'",
    ),
    "an element of a list": ([f"{URI},"], "not_s3", f"'{URI},' has a comma behind it", "remove it"),
    "another element": ([URI, f"{URI[:-1]};"], "not_s3", "has a semicolon behind it", "remove it"),
    "a word for later": ([URI, "TBD"], "not_available", "'TBD' is sent as text, where other rows", ""),
    "three slashes": (["s3:///lab/a.fq"], "not_s3", "is not a valid s3:// URI", "write 's3://lab/a.fq'"),
    "no colon": (["s3//lab/a.fq"], "not_s3", "is not a valid s3:// URI", "write 's3://lab/a.fq'"),
    "backslashes": (["s3:\\\\lab\\a.fq"], "not_s3", "is not a valid s3:// URI", "write 's3://lab/a.fq'"),
    "in capitals": (["S3://lab/a.fq"], "not_s3", "'S3://lab/a.fq' is no", "write 's3://lab/a.fq'"),
    "an ARN": (["arn:aws:s3:::lab/a.fq"], "not_s3", "is an ARN", "write 's3://lab/a.fq'"),
    "a web address": (
        ["https://lab.s3.amazonaws.com/a.fq"],
        "not_s3",
        "web address",
        "write 's3://lab/a.fq'",
    ),
    "one with a region": (
        ["https://lab.s3.eu-west-1.amazonaws.com/r/a.fq"],
        "not_s3",
        "web address",
        "write 's3://lab/r/a.fq'",
    ),
    "one by its path": (
        ["http://s3-us-west-2.amazonaws.com/lab/a.fq"],
        "not_s3",
        "web",
        "write 's3://lab/a.fq'",
    ),
    "a bucket that a template leaves open": (
        ["s3://omics-{{region}}/a.fq"],
        "not_s3",
        "'s3://omics-{{region}}/a.fq' has a bucket's name that was not filled in",
        "write the bucket's name",
    ),
    "one that AWS leaves open": (["s3://genomics-{aws-region}/a.fq"], "not_s3", "was not filled in", ""),
    "one that a shell leaves open": (["s3://$BUCKET/a.fq"], "not_s3", "was not filled in", ""),
    "one that a manual leaves open": (["s3://lab-<region>/a.fq"], "not_s3", "was not filled in", ""),
    "a word of a manual": (["s3://YOUR_BUCKET/a.fq"], "not_s3", "was not filled in", "the bucket's name"),
    "another word of a manual": (["s3://your-bucket"], "not_s3", "was not filled in", ""),
    "a manual's bucket": (["s3://amzn-s3-demo-bucket1/a.fq"], "not_s3", "was not filled in", ""),
    "a manual's path": (["<path/to/reads>"], "placeholder", "is to be filled in, and no value", "write the"),
    "a template's name": (["<base_name>"], "placeholder", "is to be filled in, and no value", "write the"),
    "another template's": (["{{ dockers.gatk }}"], "placeholder", "is to be filled in, and no value", ""),
    "a template's file": (
        ["<cram>.cram"],
        "placeholder",
        "has '<cram>' in it, which nobody fills in",
        "the who",
    ),
    "another's file": (["{{ sample }}.bam"], "placeholder", "has '{{ sample }}' in it, which nobody", ""),
    "one quote left": (['s3://lab/a.fq.gz"', URI], "quotes", "has a quote at one of its ends", "remove it"),
    "the other left": (["'s3://lab/a.fq.gz", URI], "quotes", "has a quote at one of its ends", "remove it"),
    "gs among s3": ([URI, "gs://lab/a.fq"], "not_s3", "'gs://lab/a.fq' is a gs:// URI", "copy it to S3"),
    "gs before s3": (["gs://lab/a.fq", URI], "not_s3", "'gs://lab/a.fq' is a gs:// URI", "copy it to S3"),
    "gs alone": (
        ["gs://lab/a.fq"],
        "not_s3",
        "'gs://lab/a.fq' is a gs:// URI, and not in S3",
        "copy it to S3",
    ),
    "http among s3": ([URI, "http://lab.org/a.fq"], "not_s3", "is a http:// URI", "copy it to S3"),
    "ftp among s3": ([URI, "ftp://lab/a.fq"], "not_s3", "is a ftp:// URI", ""),
    "a name among s3": ([URI, "S1_R1.fastq.gz"], "not_s3", "is a file's name alone", "the whole s3:// URI"),
    "a local path": (
        ["/mnt/data/a.fq"],
        "local_path",
        "'/mnt/data/a.fq' is a local path",
        "aws s3 cp",
    ),
    "another local path": (["/home/me/my data/a"], "local_path", "is a local path", ""),
    "a path in its home": (["~/a.fq"], "local_path", "is a local path", ""),
    "a variable of Nextflow": (
        ["$baseDir/assets/a.fq.gz"],
        "placeholder",
        "'$baseDir/assets/a.fq.gz' begins with a variable, which nobody fills in",
        "write the whole s3:// URI",
    ),
    "a variable in braces": (["${{projectDir}}/b.bam"], "placeholder", "begins with a variable", ""),
    "a variable of Windows": (["%USERPROFILE%\\a.fq"], "placeholder", "begins with a variable", ""),
    "a relative path": (["../run7/a.fq"], "local_path", "is a local path", ""),
    "a file URI": (["file:///data/a.fq"], "local_path", "is a local path", ""),
    "a Windows path": (["C:\\data\\a.fq"], "local_path", "'C:\\data\\a.fq' is a local path", ""),
    "another": (["D:/data/a.fq"], "local_path", "is a local path", ""),
    "a share": (["\\\\nas\\lab\\a.fq"], "local_path", "is a local path", ""),
    "an error": (["#REF!"], "spreadsheet_error", "'#REF!' is a spreadsheet's error", "correct the formula"),
    "its kin": (["#DIV/0!"], "spreadsheet_error", "is a spreadsheet's error", ""),
    "not available": (["#N/A"], "spreadsheet_error", "is a spreadsheet's error", ""),
    "in German": (["#BEZUG!"], "spreadsheet_error", "is a spreadsheet's error", ""),
    "a formula": (
        ['=HYPERLINK("s3://lab/a.fq")'],
        "spreadsheet_error",
        "is a spreadsheet's formula",
        "write what it shows",
    ),
    "a reference": ([URI, "=B2"], "spreadsheet_error", "is a spreadsheet's formula", ""),
    "another sheet's": (["='Sheet 1'!$A$2"], "spreadsheet_error", "is a spreadsheet's formula", ""),
    "a joined text": ([URI, '=A1&".bam"'], "spreadsheet_error", "is a spreadsheet's formula", ""),
    "too narrow": (["########"], "spreadsheet_error", "is a spreadsheet's error", ""),
    "NA": ([URI, "NA"], "not_available", "'NA' is sent as text, where other rows", "leave the cell empty"),
    "NULL": ([URI, "NULL"], "not_available", "'NULL' is sent as text", ""),
    "nan": (["nan", URI], "not_available", "'nan' is sent as text", ""),
    "a dash": ([URI, "-"], "not_available", "'-' is sent as text", ""),
    "a number": (
        ["16"],
        "untyped",
        "'16' looks like a number",
        "name the column parameters.a:int, or parameters.a:text",
    ),
    "a fraction": (["16", "0.5"], "untyped", "'16' looks like a number", "parameters.a:float, or"),
    "a whole one among fractions": (["1.0", "2.5"], "untyped", "'1.0' looks", ":float, or parameters.a:text"),
    "what pandas makes of 1": (
        ["1.0", "2.0"],
        "untyped",
        "'1.0' looks",
        ":float, or :int once the numbers are written without .0, or parameters.a:text",
    ),
    "a decimal comma": (
        ["30", "30,5"],
        "untyped",
        "'30,5' looks like a number",
        "write a point before decimals and nothing between thousands, and name the column parameters.a:float",
    ),
    "one among points": (["0.05", "0,05"], "untyped", "'0,05' looks like a number", "write a point before"),
    "thousands": (["1.000,0", "2,000,000"], "untyped", "'1.000,0' looks like a number", "between thousands"),
    "a letter in a number": (
        [*map(str, range(1, 300)), "3O"],
        "untyped",
        "'3O' is no number, where 299 other rows have one, and makes text of all",
        "correct it, and name the column parameters.a:int, or parameters.a:text",
    ),
    "German": (["WAHR", "FALSCH"], "untyped", "'WAHR' looks like true", "write true or false, and name the"),
    "true": (["true"], "untyped", "'true' looks like true or false", "parameters.a:bool, or"),
    "FALSE": (["FALSE"], "untyped", "'FALSE' looks like true or false", "parameters.a:bool, or"),
    "JSON": (['["s3://lab/a","s3://lab/b"]'], "untyped", "looks like JSON", "parameters.a:json, or"),
    "a table of JSON": (['{"a": 1}'], "untyped", "looks like JSON", "parameters.a:json, or"),
    "a list that is not JSON": (
        ["['s3://lab/a', 's3://lab/b']"],
        "untyped",
        "looks like a list",
        "write JSON",
    ),
    "a table of Python": (["{'taga': 'a b'}"], "untyped", "looks like a table", 'JSON there, {"...": "..."}'),
    "URIs with semicolons": (["s3://lab/a;s3://lab/b"], "untyped", "looks like a list of URIs", "write JSON"),
    "URIs with commas": (
        ["s3://lab/a,s3://lab/b"],
        "untyped",
        "looks like a list of URIs",
        "parameters.a:text",
    ),
    "URIs with spaces": (["s3://lab/a s3://lab/b"], "untyped", "looks like a list of URIs", ""),
    "a long number": (
        ["2.05E+11"],
        "spreadsheet_id",
        "'2.05E+11' looks like a long number",
        "write what it was",
    ),
}

#: By name: the cells of one column, none of which is doubtful.
SOUND: dict[str, list[str]] = {
    "a URI": [URI],
    "a space in a key": ["s3://b/a b.fq.gz"],
    "a pattern": ["s3://b/*_{1,2}.fq.gz"],
    "a pattern alone": ["*_{1,2}.fq.gz"],
    "a read set": [URI, "omics://123456789012.storage.us-east-1.amazonaws.com/1/readSet/2"],
    "leading zeros": ["0042", "0043"],
    "a dash in prose": ["days 10 \u2013 20", "mean \u2212 1"],
    "dots in prose": ["see the notes \u2026"],
    "another alphabet": ["\u041e\u043b\u0435\u0433-1", "TNF\u03b1", "\u0394F508"],
    "texts with a semicolon": ["a;b"],
    "texts with a comma": ["a, b"],
    "the service's own folder": ["/mnt/workflow/definition/assets/a.bed"],
    "that folder itself": ["/mnt/workflow"],
    "a path in the image": ["/opt/adapters/TruSeq3.fa"],
    "a slash": ["/", "a/b"],
    "all of them in the web": ["https://ftp.ensembl.org/a.gtf", "https://ftp.ensembl.org/b.gtf"],
    "a folder that the task's shell knows": ["$TMPDIR/work"],
    "all of them names": ["a.bed", "b.bed"],
    "NA among words": ["NA", "EUR", "AFR"],
    "numbers among names": ["123", "A12"],
    "a few names among numbers": [*map(str, range(1, 100)), "X", "Y"],
    "names after many numbers": [*map(str, range(1, 300)), *["unknown"] * 40],
    "lists of lanes": ["1", "1,2", "3,4"],
    "longer lists of lanes": ["1", "1,2,3", "10,11,12"],
    "a word": ["auto", "reverse"],
    "numbers and true": ["1", "true"],
    "what begins as a list": ["[a", "{b"],
    "an ISO date": ["2026-11-08"],
    "an apostrophe": ["patient\u2019s", "dogs\u2019 food"],
    "letters": ["M\u00fcller", "\u7cbe\u5ea6"],
    "a hash": ["#1 of 2"],
    "arguments": ["--outSAMtype BAM Unsorted"],
    "an equals sign": ["=ABCD1", "=A", "==1.10"],
    "a class of characters": ["[ACGT]"],
    "a placeholder": ["{id}", "{batch}"],
    "a column in a bucket": ["s3://lab-{Sample-ID}/a.bed"],
    "a placeholder in a bucket": ["s3://lab-{batch}/a.bed", "s3://{id}/a.bed"],
    "an allele": ["<DEL>", "<NON_REF>"],
    "braces in a key": ["s3://lab/{{x}}/$1/<a>.bed"],
    "a time": ["12:30"],
    "a version": ["1.10.2"],
}


@pytest.mark.parametrize("case", DOUBTFUL)
def test_what_is_hardly_meant_is_told_with_its_place(warnings_of: WarningsOf, case: str):
    cells, kind, says, cure = DOUBTFUL[case]
    (warning,) = warnings_of(table(*cells))
    assert warning.kind == kind
    assert says in warning.message
    assert cure in warning.cure
    assert (warning.field, warning.column) == ("parameters.a", 2)
    assert warning.line is not None
    assert warning.row == f"S{warning.line - 2:04}"
    assert warning.value is not None
    assert warning.message.startswith(warning.value)


@pytest.mark.parametrize("case", SOUND)
def test_no_word_of_what_is_sound(warnings_of: WarningsOf, case: str):
    assert warnings_of(table(*SOUND[case])) == ()


@pytest.mark.parametrize("case", [name for name, (_, kind, *_) in DOUBTFUL.items() if kind != "untyped"])
def test_documents_are_looked_at_as_tables_are(warnings_of: WarningsOf, case: str):
    cells, kind, says, _ = DOUBTFUL[case]
    if case == "a long number":
        return  # in a parameter of a document no spreadsheet has made it
    rows = [{"id": f"S{number:04}", "parameters": {"a": cell}} for number, cell in enumerate(cells)]
    for suffix, text in (
        (".jsonl", "\n".join(json.dumps(row) for row in rows)),
        (".json", json.dumps({"runs": rows})),
        (".yaml", json.dumps({"runs": rows}, ensure_ascii=False)),
    ):
        (warning,) = warnings_of(text, suffix)
        assert warning.kind == kind
        assert says in warning.message
        assert warning.field == "parameters.a"


@pytest.mark.parametrize("case", SOUND)
def test_no_word_of_it_in_documents_either(warnings_of: WarningsOf, case: str):
    rows = [{"id": f"S{number}", "parameters": {"a": cell}} for number, cell in enumerate(SOUND[case])]
    assert warnings_of(json.dumps(rows), ".json") == ()


def test_in_a_document_text_is_what_it_says(warnings_of: WarningsOf):
    parameters = {"a": "16", "b": "true", "c": "[1]", "d": " ", "e": "two\nlines\n", "f": 16, "g": None}
    assert warnings_of(json.dumps([{"id": "S", "parameters": parameters}]), ".json") == ()
    (warning,) = warnings_of("runs:\n- id: S\n  parameters:\n    a: |\n      s3://lab/a\n", ".yaml")
    assert (warning.kind, warning.line, warning.column) == ("white_space", 4, 8)


def test_a_control_character_that_json_can_hold_is_told(warnings_of: WarningsOf):
    (warning,) = warnings_of(json.dumps([{"id": "S", "parameters": {"a": "a\x1bb"}}]), ".json")
    assert (warning.kind, warning.value) == ("invisible_character", "'a<U+001B>b'")


def test_nested_texts_are_told_with_their_places(warnings_of: WarningsOf):
    text = 'runs:\n- id: S\n  parameters:\n    reads:\n    - {r1: "s3://lab/a "}\n'
    (warning,) = warnings_of(text, ".yaml")
    assert warning.field == "parameters.reads[].r1"
    assert (warning.line, warning.row) == (5, "S")


def test_texts_within_a_cell_of_json_are_looked_at(warnings_of: WarningsOf):
    (warning,) = warnings_of(table('["s3://lab/a", "/data/b.fq"]', column="parameters.a:json"))
    assert (warning.kind, warning.field, warning.column) == ("local_path", "parameters.a[]", 2)


def test_types_and_a_word_for_text_leave_nothing_to_say(warnings_of: WarningsOf):
    header = "id,parameters.a:int,parameters.b:bool,parameters.c:json,parameters.d:text,parameters.e:text"
    assert warnings_of(f'{header}\nS,16,true,"[1]",16,"[1]"\n') == ()


@pytest.mark.parametrize(
    "text",
    [
        "2.05E+11",
        "2,05E+11",
        "1.23456789012346e+16",
        "01.09.2026",
        "1/9/26",
        "MAR-1",
        "1-Sep",
        "01. Mrz",
        "Sep-22",
        "2026-09-01 00:00:00",
    ],
)
def test_ids_that_a_spreadsheet_has_made_of_others_are_told(warnings_of: WarningsOf, text: str):
    for manifest, suffix in ((f'id\n"{text}"\n', ".csv"), (json.dumps([{"id": text}]), ".json")):
        (warning,) = warnings_of(manifest, suffix)
        assert (warning.kind, warning.row, warning.field) == ("spreadsheet_id", text, "id")


@pytest.mark.parametrize("day", ["2026-03-01", "2026-03-01T13:45:00"])
@pytest.mark.parametrize("others", [["S1", "S2"], ["S-1", "S.2"], ["001", "SEPT9"]])
def test_a_date_among_ids_that_are_none_is_told(warnings_of: WarningsOf, day: str, others: list[str]):
    """As MAR1 becomes one in a workbook, and wherever dates are written so."""
    for ids in ([day, *others], [*others, day]):
        (warning,) = warnings_of("\n".join(["id", *ids]))
        assert (warning.kind, warning.row) == ("spreadsheet_id", day)
        assert "is a date, where other ids have none" in warning.message


@pytest.mark.parametrize("others", [["2026-03-02"], ["2026-03-01-b"], ["run 2026-03-02"]])
def test_dates_among_dates_are_ids(warnings_of: WarningsOf, others: list[str]):
    assert warnings_of("\n".join(["id", "2026-03-01", *others])) == ()


@pytest.mark.parametrize(
    "text", ["0042", "2026-09-01", "NA12878", "S-1", "MARS-1", "MAY-2026", "205000000000", "1.5", "HG00-2E"]
)
def test_other_ids_are_sound(warnings_of: WarningsOf, text: str):
    assert warnings_of(f"id\n{text}\n") == ()


@pytest.mark.parametrize(
    ("cell", "meant"), [('="0042"', "0042"), ("'0042", "0042"), ('=""', ""), ("'-1", "-1")]
)
def test_how_a_spreadsheet_is_told_of_a_text_is_no_part_of_it(warnings_of: WarningsOf, cell: str, meant: str):
    (warning,) = warnings_of(table(cell))
    assert (warning.kind, warning.column, warning.cure) == ("quotes", 2, f"write '{meant}'")
    assert warnings_of(json.dumps([{"id": "S", "parameters": {"a": cell}}]), ".json") == ()
    for sound in ("'s-Gravenhage", "='a", "=1+1", "5'"):
        assert warnings_of(table(sound)) == ()


@pytest.mark.parametrize("text", ["nan", "NA", "None", "-"])
def test_a_word_for_no_value_is_hardly_an_id(warnings_of: WarningsOf, text: str):
    (warning,) = warnings_of(f"id\nS1\n{text}\n")
    assert (warning.kind, warning.line, warning.row) == ("not_available", 3, text)
    assert warning.message == f"'{text}' says that there is none, and is the id of a run"


def test_reads_of_no_sample_are_hardly_a_run(warnings_of: WarningsOf):
    (warning,) = warnings_of("id\nS1\nUndetermined\n")
    assert (warning.kind, warning.line, warning.row) == ("not_available", 3, "Undetermined")
    assert "calls the reads of no sample, and becomes a run" in warning.message
    assert warnings_of(table("undetermined")) == ()


def test_an_id_that_pandas_has_made_a_fraction_of_is_told(warnings_of: WarningsOf):
    (warning,) = warnings_of("id\n1001.0\nS1\n")
    assert (warning.kind, warning.line) == ("spreadsheet_id", 2)
    assert warning.message == "'1001.0' looks like a whole number that a program has made a fraction of"
    assert warnings_of("id\n1.0.2\nv1.0\n1.00\n") == ()
    assert warnings_of("id\n1.0\n1.5\n2.0\n") == ()  # fractions, all of them


def test_a_row_that_is_commented_out_is_told(warnings_of: WarningsOf):
    text = "parameters.r,id\ns3://lab/a.fq,01\ns3://lab/b.fq,#02\n"  # where it stands first, it is an error
    (warning,) = warnings_of(text)
    assert (warning.kind, warning.line, warning.column, warning.row) == ("remark", 3, 2, "#02")
    assert warning.message == "'#02' looks like a remark (#), and becomes a run"
    assert warnings_of("id\n#1\n#2\n") == ()  # what all of them have is part of the id


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("no", "is text, and not true"),
        ("On", "is text"),
        ("1.10", "loses the 0"),
        ("12.250", "loses"),
        ("0x1F", "is sent as 31"),
        ("0o17", "is sent as 15"),
    ],
)
def test_what_yaml_makes_of_a_text_without_quotes_is_told(warnings_of: WarningsOf, text: str, says: str):
    manifest = "runs: [{id: S, parameters: {skip: %s}}]\n"
    (warning,) = warnings_of(manifest % text, ".yaml")
    assert (warning.kind, warning.field) == ("untyped", "parameters.skip")
    assert says in warning.message
    assert warnings_of(manifest % f"'{text}'", ".yaml") == ()
    assert warnings_of(manifest % "0.50" + f"defaults: {{name: {text}}}\n", ".yaml") == ()


def test_a_comma_in_a_number_without_quotes_is_told(warnings_of: WarningsOf):
    manifest = "runs:\n- id: S\n  parameters: {l: x, skip: %s, k: ~}\n"
    for text, cut in (("0,05", "0"), ("1,2", "1"), ("chr1:1,000-2,000", "chr1:1")):
        (warning,) = warnings_of(manifest % text, ".yaml")
        assert (warning.kind, warning.field) == ("untyped", "parameters")
        assert f" without quotes is {cut}, and a name of its own behind the comma" in warning.message
        assert warnings_of(manifest % f"'{text}'", ".yaml") == ()
    block = "runs:\n- id: S\n  parameters:\n    skip: %s\n"
    (warning,) = warnings_of(block % "1.000,5", ".yaml")
    assert warning.message == "'1.000,5' is text, and no number, as YAML has it"
    assert warnings_of(block % "1,2", ".yaml") == ()
    assert warnings_of(manifest % "4, 2pass: , 3prime_adapter: ", ".yaml") == ()


@pytest.mark.parametrize(
    "text", ["String", "File?", "Array[File]+", "Int? (optional, default = 5)", "Map[String, File]"]
)
def test_a_type_that_womtool_writes_for_a_value_is_told(warnings_of: WarningsOf, text: str):
    (warning,) = warnings_of(json.dumps([{"id": "S", "parameters": {"wf.x": text}}]), ".json")
    assert (warning.kind, warning.message) == ("placeholder", f"'{text}' is a type of WDL, and no value")
    file = {"class": "File", "location": "s3://lab/a.bam"}
    for sound in ("Strings", "Array", "Int (5)", file):
        assert warnings_of(json.dumps([{"id": "S", "parameters": {"wf.x": sound}}]), ".json") == ()


def test_a_remark_in_a_json_of_inputs_is_told(warnings_of: WarningsOf):
    rows = [{"id": "S", "parameters": {"##_COMMENT1": "INPUT BAM", "wf.bam": "s3://lab/a.bam"}}]
    (warning,) = warnings_of(json.dumps(rows), ".json")
    assert (warning.kind, warning.value, warning.field) == ("remark", "'##_COMMENT1'", "parameters")


def test_curly_quotes_in_an_id_are_told_and_its_white_space_is_an_error_alone(warnings_of: WarningsOf):
    (warning,) = warnings_of("id\n\u201cS1\u201d\n")
    assert warning.kind == "quotes"


def test_names_that_become_parameters_are_looked_at(warnings_of: WarningsOf):
    (warning,) = warnings_of("id,parameters.a\u00a0\nS,x\n")
    assert (warning.kind, warning.line, warning.column) == ("invisible_character", 1, 2)
    (warning,) = warnings_of('[{"id": "S", "parameters": {"a ": "x"}}]', ".json")
    assert (warning.kind, warning.value) == ("white_space", "'a '")


def test_what_all_rows_share_is_told_once_at_its_place(warnings_of: WarningsOf, tmp_path):
    (tmp_path / "lab.yaml").write_text("parameters:\n  reference: /data/ref.fa\n")
    (warning,) = warnings_of("id\nA\nB\n", defaults=(str(tmp_path / "lab.yaml"),))
    assert warning.source.endswith("lab.yaml")
    assert (warning.line, warning.row, warning.count) == (2, None, 1)
    (warning,) = warnings_of("id\nA\nB\n", sets=("parameters.reference=/data/ref.fa",))
    assert warning.source == "--set parameters.reference"


def test_an_option_with_a_list_as_text_is_told(warnings_of: WarningsOf):
    (warning,) = warnings_of("id\nA\n", sets=('parameters.lanes=["L1", "L2"]',))
    assert (warning.kind, warning.line, warning.source) == ("untyped", None, "--set parameters.lanes")
    assert "write --set parameters.lanes:json=..." in warning.cure


def test_an_option_without_a_type_is_told_with_the_one_to_give(warnings_of: WarningsOf):
    (warning,) = warnings_of("id\nA\n", sets=("parameters.threads=8",))
    assert "write --set parameters.threads:int=..., or parameters.threads:text=..." in warning.cure
    assert warnings_of("id\nA\n", sets=("parameters.threads:int=8", "parameters.lane:text=8")) == ()


OLD, NEXT, LATER = dt.date(2026, 11, 26), dt.date(2027, 10, 1), dt.date(2028, 1, 1)


@pytest.mark.parametrize(
    ("version", "today", "told"),
    [
        ("22.04", OLD, "is a Nextflow that is retired on 2026-11-30"),
        ("22.04.01", OLD, "2026-11-30"),
        ("v22.04.5", LATER, "2026-11-30"),
        ("23.10", OLD, None),
        ("23.10.0", NEXT, "2027-11-30"),
        ("24.10.8", LATER, None),
        ("25.10", LATER, None),
    ],
)
def test_a_nextflow_that_is_retired_is_told(warnings_of: WarningsOf, version, today, told):
    rows = {
        ".csv": f"id,engineSettings.engineVersion\nS,{version}\n",
        ".json": json.dumps([{"id": "S", "engineSettings": {"engineVersion": version}}]),
        ".yaml": f"defaults: {{engineSettings: {{engineVersion: {version}}}}}\nruns: [{{id: S}}]\n",
    }
    for suffix, text in rows.items():
        found = warnings_of(text, suffix, today=today)
        assert [one.kind for one in found] == ([] if told is None else ["engine_version"])
        assert all(told in one.message for one in found)
        assert all("newer version" in one.cure for one in found)


@pytest.mark.parametrize("name", ["id", "batch", "parameters.k", "env.RUN"])
def test_a_placeholder_without_quotes_is_told(warnings_of: WarningsOf, name: str):
    sound = f"[{{{name}: 1}}, {{k: ~}}, {{id: ~, k: ~}}]"
    text = f"runs:\n- id: A\n  parameters: {{k: x, r: {{{name}}}, s: {sound}}}\n"
    (warning,) = warnings_of(text, ".yaml")
    assert (warning.kind, warning.line, warning.field) == ("placeholder", 3, "parameters.r")
    assert warning.message == f"{{{name}}} without quotes is a table, and no text"
    assert warning.cure == f'write "{{{name}}}"'


@pytest.mark.parametrize(
    "text", ['"' + "://a" * 100_000 + '" x', "s3://b/" + "'://" * 100_000 + "x", "a" + " '" * 100_000 + "x"]
)
def test_a_long_text_that_almost_has_quotes_around_it_is_soon_read(text):
    """Seen: ten minutes for the first; the test's time limit ends it."""
    assert [doubt.kind for doubt in of_characters(text, is_cell=True)] == []
    assert bare(text) in text


@pytest.mark.parametrize(
    ("text", "line", "own"),
    [
        ("id,parameters.r\nA,s3://b/1\n\nid,bam\nB,s3://b/2\n", 4, "id"),
        ("sample,r\nA,s3://b/1\nB,s3://b/3\nSAMPLE,bam\nC,s3://b/2\n", 4, "SAMPLE"),
    ],
)
def test_the_names_of_another_table_below_are_told(warnings_of: WarningsOf, text: str, line: int, own: str):
    """As when two files are put together that have other columns: the names would be a run."""
    options = (
        {} if text.startswith("id") else {"sheet": SheetOptions(id="sample", columns_as_parameters=("all",))}
    )
    (warning,) = [one for one in warnings_of(text, **options) if one.kind == "remark"]
    assert (warning.line, warning.column, warning.row) == (line, 1, own)
    assert warning.message == f"'{own}' is the name of its column, and becomes a run"
    assert warning.cure == "remove the line if it has the names of columns"
