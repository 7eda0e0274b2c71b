"""What texts under ``each`` make of a sheet's cells, as design.md, section 12, has it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from batchrun.manifest import Format, Source, load
from batchrun.manifest.sheet_wishes import SheetOptions
from batchrun.manifest.table import TableOptions
from tests.manifest.sheets.sheet import (
    SETS,
    Runs,
    from_document,
    from_options,
    parameters,
    problems_of_document,
    problems_of_options,
)

LANES = """\
sample,fastq_1,fastq_2,strandedness
WT,s3://b/1_1.fq.gz,s3://b/1_2.fq.gz,auto
KO,s3://b/3_1.fq.gz,,reverse
WT,s3://b/2_1.fq.gz,s3://b/2_2.fq.gz,auto
"""


def test_the_example_of_the_contract(tmp_path: Path):
    runs = from_document(
        tmp_path,
        LANES,
        {
            "group_by": "sample",
            "each": {
                "id": "{sample}",
                "parameters": {
                    "strandedness": "{strandedness}",
                    "reads": [{"r1": "{fastq_1}", "r2": "{fastq_2}"}],
                },
            },
        },
    )
    assert parameters(runs) == {
        "WT": {
            "strandedness": "auto",
            "reads": [
                {"r1": "s3://b/1_1.fq.gz", "r2": "s3://b/1_2.fq.gz"},
                {"r1": "s3://b/2_1.fq.gz", "r2": "s3://b/2_2.fq.gz"},
            ],
        },
        "KO": {"strandedness": "reverse", "reads": [{"r1": "s3://b/3_1.fq.gz"}]},
    }
    assert runs["WT"]["outputUri"] == "s3://lab-results/b/WT/"
    assert runs["WT"]["name"] == "b-WT"


def test_yaml_json_and_options_mean_the_same(tmp_path: Path):
    each = {"parameters": {"reads": [{"r1": "{fastq_1}"}], "s": "{strandedness}"}}
    document = {"group_by": ["sample"], "each": each}
    as_json = from_document(tmp_path, LANES, document)
    assert from_document(tmp_path, LANES, document, form="yaml") == as_json
    options = from_options(
        LANES, group_by=("sample",), parameters=('reads:json=[{"r1": "{fastq_1}"}]', "s={strandedness}")
    )
    assert options == as_json


@pytest.mark.parametrize(
    ("template", "cell", "wanted"),
    [
        ("{x}", "16", "16"),
        ("{x:int}", "16", 16),
        ("{x:float}", "0.5", 0.5),
        ("{x:bool}", "TRUE", True),
        ("{x:json}", '"[1,""a{x}""]"', [1, "a{x}"]),
        ("{x:text}", "16", "16"),
        ("{column.x}", "a", "a"),
        ("{column.x:int}", "7", 7),
        ("<{x}>", "a", "<a>"),
        ("{x}{x}", "a", "aa"),
        ("{id}/{x}/{batch}/{parameters.c}", "a", "S/a/b/C"),
        ("{batchrun.id}", "a", "S"),
        ("*_{1,2}.{x}", "gz", "*_{1,2}.gz"),
        ('{"k":"{x}"}', "v", '{"k":"v"}'),
        ("{{x}", "v", "{x}"),
        ("{{x}}", "v", "{x}"),
        ("{{{x}}", "v", "{v}"),
        ("{}{ }{1x}", "v", "{}{ }{1x}"),
        ("{{}}{{ }}{{1x}}{{1,2}}{{a,b}}", "v", "{}}{ }}{1x}}{1,2}}{a,b}}"),
        ("{{no column}}", "v", "{no column}"),
        ("${{{x}}}", "v", "${v}}"),
        ("{x}", "{id}", "{id}"),
        ("{x}-{id}", "{{batch}}", "{{batch}}-S"),
        ("{x}{id}", "{", "{S"),
        ("{{{x}{id}}}", "{", "{{S}}"),
        ("{{{x}", "id}", "{id}"),
    ],
)
def test_what_a_text_makes_of_a_cell(template: str, cell: str, wanted: Any):
    (request,) = from_options(
        f"sample,x\nS,{cell}\n", id="sample", each={"parameters": {"p": template, "c": "C"}}
    ).values()
    assert request["parameters"]["p"] == wanted


def test_empty_braces_are_text_though_a_column_has_no_name():
    assert from_options("id,,x\nS,v,w\n", parameters=("p={}",))["S"]["parameters"] == {"p": "{}"}


def test_a_texts_type_follows_the_field_where_that_has_one():
    runs = from_options("id,p\nS,7\n", each={"priority": "{p}"})
    assert runs["S"]["priority"] == 7


def test_text_in_tags_and_in_other_fields():
    runs = from_options(
        "sample,run,where\nS,7,s3://b/o/\n",
        id="sample",
        each={"tags": {"run": "{run}", "n": "x{run}"}, "outputUri": "{where}{id}/", "name": "{sample}"},
    )
    assert runs["S"]["tags"] == {"run": "7", "n": "x7"}
    assert runs["S"]["outputUri"] == "s3://b/o/S/"
    assert runs["S"]["name"] == "S"


def test_an_empty_cell_leaves_out_what_is_nothing_but_it():
    each = {
        "priority": "{x:int}",
        "parameters": {"a": "{x}", "b": "{x:json}", "t": {"u": "{x}"}, "l": ["{x}"], "n": [["{x}"]], "k": 1},
    }
    runs = from_options("id,x,y\nS,,1\n", each=each)
    assert runs["S"]["parameters"] == {"k": 1}
    assert "priority" not in runs["S"]
    assert "parameters" not in from_options("id,x,y\nS,,1\n", each={"parameters": {"a": "{x}"}})["S"]


def test_what_was_empty_to_begin_with_stays():
    each: dict[str, Any] = {"parameters": {"t": {}, "l": [], "n": [[], {}], "null": None}}
    assert from_options("id\nS\n", each=each)["S"]["parameters"] == each["parameters"]


def test_within_a_longer_text_an_empty_cell_is_an_error():
    (problem,) = problems_of_options("id,x\nA,1\nB,\n", parameters=("p=s3://b/{x}.fq",))
    assert (problem.line, problem.row, problem.field) == (3, "B", "parameters.p")
    assert "column 'x' is empty" in problem.message


@pytest.mark.parametrize(
    "header", ["entity:sample_id", "read group", "fastq.1", "größe", "a|b", "x(y)", "-", "1"]
)
def test_any_name_that_a_column_has_may_be_used(header: str):
    texts = (f"p={{{header}}}", f"q=<{{column.{header}}}>", f"r={{{{{header}}}}}")
    runs = from_options(f"id,{header}\nS,v\n", parameters=texts)
    assert runs["S"]["parameters"] == {"p": "v", "q": "<v>", "r": f"{{{header}}}"}


def test_a_whole_header_goes_before_a_name_and_its_type():
    sheet = "id,n,n:int,column.n\nS,1,2,3\n"
    runs = from_options(sheet, parameters=("p={n:int}", "q={column.n}", "r={n:float}"))
    assert runs["S"]["parameters"] == {"p": "2", "q": "3", "r": 1}


@pytest.mark.parametrize("name", ["id", "batch", "sheet", "lane"])
def test_a_name_that_is_a_columns_and_ours_must_say_which(name: str):
    sheet = f"sample,{name}\nS,v\n"
    (problem,) = problems_of_options(sheet, id="sample", parameters=(f"p=x{{{name}}}",))
    assert problem.source == "--parameter p"
    assert problem.cure == f"write {{column.{name}}} or {{batchrun.{name}}}"
    assert from_options(sheet, id="sample", parameters=(f"p=x{{column.{name}}}",))["S"]["parameters"] == {
        "p": "xv"
    }


def test_in_an_id_it_is_the_column_and_in_defaults_it_is_ours():
    runs = from_options("id,batch\n7,x\n", id="{batch}-{id}", sets=("parameters.p={id} of {batch}",))
    assert parameters(runs) == {"x-7": {"p": "x-7 of b"}}


@pytest.mark.parametrize(
    ("text", "message", "cure"),
    [
        ("{fastq1}", "there is no column 'fastq1'", "did you mean 'fastq_1'? the columns are id, fastq_1"),
        ("{x.__class__}", "there is no column 'x.__class__'", "the columns are id, fastq_1"),
        ("a{fastq_1:int}", "stands within a longer text", "leave the type out"),
        ("{fastq_1:number}", "'number' is not a type", "use one of int, float, bool, json, text"),
        ("{parameters.no}", "this row has no such parameter", "give the parameter"),
        ("{sheet}", "no sheets are written", "say with sheet_out"),
        ("{lane}", "there is nothing called {lane}", "use {id}, {batch}, {parameters.NAME} or"),
    ],
)
def test_a_name_that_nothing_has(text: str, message: str, cure: str):
    (problem,) = problems_of_options("id,fastq_1\nS,v\n", parameters=(f"p={text}",))
    assert message in problem.message
    assert problem.cure.startswith(cure)


def test_a_wrong_template_is_one_problem_however_many_rows_there_are(tmp_path: Path):
    sheet = "id,x\n" + "".join(f"S{n},1\n" for n in range(50))
    each = {"parameters": {"p": "{y}"}, "workflow": "7"}
    first, second = problems_of_document(tmp_path, sheet, {"each": each})
    assert {first.field, second.field} == {"parameters.p", "workflow"}
    assert first.source.endswith("b.json")


def test_what_is_not_of_its_type_names_the_line_the_column_and_the_value():
    (problem,) = problems_of_options("id,n\nA,1\nB,x\n", parameters=("p={n:int}",))
    assert str(problem) == (
        "<stdin>:3 (id B): parameters.p: column 'n': 'x' is not a whole number; write digits alone, such as 8"
    )


def test_twin_columns_matter_where_they_are_used():
    sheet = "id,x,x,y\nS,1,2,3\n"
    assert from_options(sheet, parameters=("p={y}",))["S"]["parameters"] == {"p": "3"}
    (problem,) = problems_of_options(sheet, parameters=("p={x}",))
    assert problem.message == "two columns are called 'x'"


@pytest.mark.parametrize(
    ("options", "message", "cure"),
    [
        ({"parameters": ("p={x}",)}, "there is no column 'id'", "give --id COLUMN"),
        ({"id": "X"}, "there is no column 'X'", "did you mean 'x'"),
        ({"id": "S{{1}"}, "all rows would have the same id", "name a column in it"),
        ({"each": {"id": "S"}}, "all rows would have the same id", "name a column in it"),
        ({"id": "x", "parameters": ("=p",)}, "there is no value", "--parameter NAME=TEXT"),
        ({"each": {"id": ["{x}"]}}, "a list of 1 is not an id", "write a text"),
        ({"group_by": ("X",)}, "there is no column 'X'", "did you mean 'x'"),
        ({"id": "x", "parameters": ("p",)}, "there is no value", "--parameter NAME=TEXT"),
        ({"id": "x", "parameters": ("p:json=[",)}, "this is not JSON", "correct"),
        (
            {"id": "x", "parameters": ("p:json={y}",)},
            "this is not JSON",
            "'p={y}' for its text, or --parameter 'p={y:json}'",
        ),
        (
            {"id": "x", "parameters": ("{y}=p",)},
            "'{y}' is a column, where the",
            "before it: --parameter 'p={y}'",
        ),
        ({"id": "x", "parameters": ("{y}=",)}, "'{y}' is a column, where the", "--parameter 'NAME={y}'"),
        (
            {"group_by": ("x,y",)},
            "'x,y' is no column, but the names of 2",
            "--group-by x --group-by y; for an id, give a text that names them: --id '{x}-{y}'",
        ),
        (
            {"id": "x", "columns_as_parameters": ("x, y",)},
            "is no column, but the names of 2",
            "each by itself",
        ),
        ({"id": "x", "columns_as_parameters": ("Y",)}, "there is no column 'Y'", "did you mean 'y'"),
    ],
)
def test_options_that_cannot_be_followed(options: dict[str, Any], message: str, cure: str):
    (problem,) = problems_of_options("x,y\n1,2\n", **options)
    assert message in problem.message
    assert cure in problem.cure


@pytest.mark.parametrize("text", ["{a b}", "{n:int}", "{column.n}"])
def test_a_column_without_quotes_is_no_table(tmp_path: Path, text: str):
    """As YAML reads it."""
    for value, field in (({text[1:-1]: None}, "r"), ([{text[1:-1]: None}], "r[0]")):
        each = {"id": "{a b}", "parameters": {"r": value}}
        (problem,) = problems_of_document(tmp_path, "a b,n\nS,1\n", {"each": each})
        assert problem.message == f"{text} without quotes is a table, and no text"
        assert (problem.field, problem.cure) == (f"parameters.{field}", f'write "{text}"')


@pytest.mark.parametrize("value", [{"x": None}, {"n": None, "x": None}, {"n": "1"}, {"1": None}])
def test_tables_that_name_no_column_are_tables(tmp_path: Path, value: dict[str, Any]):
    runs = from_document(tmp_path, "id,n\nS,1\n", {"each": {"parameters": {"r": value}}})
    assert parameters(runs) == {"S": {"r": value}}


def test_an_empty_id_is_an_error_of_its_row():
    (problem,) = problems_of_options("x,y\n1,2\n,3\n", id="x")
    assert (problem.line, problem.field) == (3, "id")


def test_an_id_that_comes_twice_asks_whether_the_lines_are_one_run():
    (problem,) = problems_of_options(LANES, id="sample")
    assert problem.message == "this id was given on line 2 already"
    assert "--group-by" in problem.cure


def test_columns_become_parameters_as_they_are():
    sheet = 'sample,reads,threads,note,\nS,"s3://b/{1,2}",16,,\n'
    runs = from_options(sheet, id="sample", columns_as_parameters=("all",), parameters=("t={threads:int}",))
    assert runs["S"]["parameters"] == {"t": 16, "reads": "s3://b/{1,2}"}
    chosen = from_options(sheet, id="sample", columns_as_parameters=("threads", "sample"))
    assert chosen["S"]["parameters"] == {"threads": "16", "sample": "S"}


def test_a_parameter_that_is_given_goes_before_the_column_of_its_name():
    for chosen in ("all", "x"):
        runs = from_options("id,x\nS,v\n", columns_as_parameters=(chosen,), parameters=("x=given",))
        assert runs["S"]["parameters"] == {"x": "given"}


def test_columns_cannot_be_added_to_parameters_that_are_no_table():
    (problem,) = problems_of_options(
        "id,x\nS,v\n", each={"parameters": "{x}"}, columns_as_parameters=("all",)
    )
    assert problem.field == "parameters"


def test_where_a_column_is_called_all_it_alone_is_meant():
    runs = from_options("id,all,,x\nS,v,w,y\n", columns_as_parameters=("all",))
    assert runs["S"]["parameters"] == {"all": "v"}


@pytest.mark.parametrize("name", ["a{b", "a}b", "{x}"])
def test_a_column_with_braces_in_its_name_may_be_the_id_and_no_parameter(name: str):
    sheet = f"{name},x\nS,v\n"
    assert parameters(from_options(sheet, id=name, parameters=("p={x}",))) == {"S": {"p": "v"}}
    (problem,) = problems_of_options(sheet, id="x", columns_as_parameters=("all",))
    assert problem.message == f"the column '{name}' has braces in its name"


@pytest.mark.parametrize("options", [{"id": "sample"}, {"group_by": ("sample",)}], ids=str)
def test_a_column_with_cells_and_no_name_is_no_parameter_and_says_so(options):
    """Seen: it was left out in silence, where the option means every column."""
    sheet = "sample,, ,reads\nR, , ,s3://b/0\nS,s3://b/1,,s3://b/2\nT,s3://b/3,,s3://b/4\n"
    (problem,) = problems_of_options(sheet, columns_as_parameters=("all",), **options)
    assert problem.message == "column 2 has no name, and line 3 has 's3://b/1' there"
    assert problem.line == 1
    assert problem.cure.startswith("name it, remove it, or choose: --columns-as-parameters NAME,NAME; ")
    runs = from_options(sheet, columns_as_parameters=("reads",), **options)
    assert runs["S"]["parameters"] == {"reads": "s3://b/2"}
    empty = sheet.replace("s3://b/1", "").replace("s3://b/3", "")
    assert from_options(empty, columns_as_parameters=("all",), **options) == runs
    (problem,) = problems_of_options(f"{empty}U,,x,s3://b/5\n", columns_as_parameters=("all",), **options)
    assert problem.message == "column 3 has no name, and line 5 has 'x' there"


def test_values_of_json_lines_keep_their_types_as_parameters():
    rows = [
        {"id": "A", "n": 16, "x": 1.50, "ok": True, "files": ["a{id}", {"k": 1}], "none": None, "t": "16"},
        {"id": "B", "late": "é"},
    ]
    sheet = "".join(json.dumps(row) + "\n" for row in rows)
    runs = from_options(sheet, Format.JSONL, columns_as_parameters=("all",))
    assert parameters(runs) == {
        "A": {"n": 16, "x": 1.5, "ok": True, "files": ["a{id}", {"k": 1}], "t": "16"},
        "B": {"late": "é"},
    }
    texts = from_options(sheet, Format.JSONL, parameters=("n={n}", "f={files}", "j={files:json}"))
    assert texts["A"]["parameters"] == {
        "n": "16",
        "f": '["a{id}",{"k":1}]',
        "j": ["a{id}", {"k": 1}],
    }


def test_a_list_of_yaml_says_what_json_would():
    cells = {"n": "1.50", "e": "-1E+50", "k": "12", "z": "0.5", "ok": "true", "no": "false", "t": "'1.50'"}
    others = {"h": "0x1F", "p": "+5", "d": "5.", "y": "True", "f": "False", "l": "[0x10, 1.50]", "v": "05"}
    text = ", ".join(f"{name}: {text}" for name, text in {"id": "A", **cells, **others}.items())
    wanted = tuple(f"{name}={{{name}}}" for name in [*cells, *others])
    runs = from_options(f"- {{{text}}}\n", Format.YAML, parameters=wanted)
    told = cells | {"t": "1.50", "h": "31", "p": "5", "d": "5.0", "y": "true", "f": "false", "v": "05"}
    assert runs["A"]["parameters"] == told | {"l": "[16,1.50]"}


def test_a_name_that_is_given_is_a_column_though_no_row_of_json_lines_has_it():
    asked = TableOptions(header=("id", "x"))
    runs = from_options('{"id": "A"}\n', Format.JSONL, asked, parameters=("p={x}", "q=1"))
    assert parameters(runs) == {"A": {"q": "1"}}


def test_a_file_with_an_id_column_is_a_sheet_as_soon_as_an_option_says_so(tmp_path: Path):
    path = tmp_path / "b.csv"
    path.write_text("id,fastq\nS,s3://b/x\n", encoding="utf-8")
    with load(Source(path=str(path), sets=SETS, sheet=SheetOptions(parameters=("r={fastq}",)))) as manifest:
        (spec,) = manifest.specs()
    assert json.loads(spec.request)["parameters"] == {"r": "s3://b/x"}


def test_options_win_over_the_manifest_and_add_to_it(tmp_path: Path):
    (tmp_path / "s.csv").write_text(LANES, encoding="utf-8")
    path = tmp_path / "b.yaml"
    path.write_text(
        "each: {id: '{strandedness}', parameters: {a: '1', b: '2'}}\nsheet: s.csv\n", encoding="utf-8"
    )
    options = SheetOptions(id="{sample}!", group_by=("sample",), parameters=("b=[]", "c:json=[1]"))
    with load(Source(path=str(path), sets=SETS, sheet=options)) as manifest:
        runs = {spec.id: json.loads(spec.request)["parameters"] for spec in manifest.specs()}
    assert runs == {name: {"a": "1", "b": "[]", "c": [1]} for name in ("WT!", "KO!")}


def test_how_a_sheet_is_read_stands_in_the_manifest_and_options_win(tmp_path: Path):
    (tmp_path / "s.csv").write_bytes("Ä|b,c|d\n".encode("latin-1"))
    document = {"sheet": "s.csv", "delimiter": "|", "encoding": "latin-1", "header": ["id", "x", "y"]}
    path = tmp_path / "b.json"
    path.write_text(json.dumps(document | {"each": {"parameters": {"p": "{x}"}}}), encoding="utf-8")

    def read(**asked: Any) -> Runs:
        with load(Source(path=str(path), sets=SETS, asked=TableOptions(**asked))) as manifest:
            return {spec.id: json.loads(spec.request) for spec in manifest.specs()}

    assert parameters(read()) == {"Ä": {"p": "b,c"}}
    path.write_text(json.dumps(document | {"header": ["id", "", "y"]}), encoding="utf-8")
    assert list(read()) == ["Ä"]
    path.write_text(json.dumps(document | {"each": {"parameters": {"p": "{x}"}}}), encoding="utf-8")
    assert parameters(read(header=("x", "id", "y"))) == {"b,c": {"p": "Ä"}}
    assert parameters(read(encoding="cp437")) == {"─": {"p": "b,c"}}
    assert parameters(read(delimiter=",", header=("id", "x"))) == {"Ä|b": {"p": "c|d"}}


def test_a_parameters_text_is_all_that_follows_the_first_equals_sign():
    runs = from_options("id,x\nS,v\n", parameters=("p=a={x}=b", 'q:json={"k": "a=b"}'))
    assert runs["S"]["parameters"] == {"p": "a=v=b", "q": {"k": "a=b"}}


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"header": []}, "header"),
        ({"header": ["id", None]}, "header"),
        ({"header": ["id", ["x"]]}, "header"),
        ({"sheet": ["x"]}, "sheet"),
        ({"sheet": "../x.csv"}, "sheet"),
        ({"sheet": "b.json"}, "sheet"),
        ({"sheet": "sheet.csv", "runs": [{"id": "x"}]}, "sheet"),
        ({"group_by": []}, "group_by"),
        ({"group_by": [["a"]]}, "group_by"),
        ({"each": ["x"]}, "each"),
        ({"sheet_out": {}}, "sheet_out"),
        ({"sheet_out": "s3://b/{x}.csv.gz"}, "sheet_out"),
        ({"sheet_out": "s3://b/{sheet}.csv"}, "sheet_out"),
        ({"sheet_out": "/tmp/{id}.csv"}, "sheet_out"),
        ({"sheet_out": "s3://b/{id}/"}, "sheet_out"),
        ({"delimiter": ";;"}, "delimiter"),
        ({"header": '"a'}, "header"),
    ],
)
def test_keys_that_cannot_be_followed(tmp_path: Path, document: dict[str, Any], field: str):
    problems = problems_of_document(tmp_path, "id,x\nS,1\n", document)
    assert [problem.field for problem in problems] == [field]


def test_keys_without_a_sheet_are_told(tmp_path: Path):
    path = tmp_path / "b.yaml"
    path.write_text("each: {}\nruns: []\n", encoding="utf-8")
    assert "name one with sheet: PATH" in _problem_of(Source(path=str(path), sets=SETS))


def test_options_without_a_sheet_are_told(tmp_path: Path):
    path = tmp_path / "b.yaml"
    path.write_text("runs: [{id: a}]\n", encoding="utf-8")
    said = _problem_of(Source(path=str(path), sets=SETS, sheet=SheetOptions(id="x")))
    assert "name it with sheet: PATH" in said


def _problem_of(source: Source) -> str:
    with pytest.raises(Exception, match="; ") as caught, load(source):
        pass
    return str(caught.value)
