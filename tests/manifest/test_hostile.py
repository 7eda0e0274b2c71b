"""Input that means harm, or harms without meaning to."""

from __future__ import annotations

import io
import json
import os
import pathlib
import tempfile
import threading
import tracemalloc

import pytest

from batchrun.errors import ManifestError
from batchrun.manifest import Format, Source, load

SETS = ("workflowId=1", "roleArn=arn:x", "outputUri=s3://b/")


def refusal(path: str | pathlib.Path, **options) -> str:
    stdin = options.pop("stdin", None)
    with pytest.raises(ManifestError) as caught:
        load(Source(path=str(path), sets=SETS, **options), stdin=stdin)
    return str(caught.value)


class Endless(io.RawIOBase):
    """A pipe that gives the same piece for ever, and counts what was taken."""

    def __init__(self, head: bytes, piece: bytes) -> None:
        self.head = head
        self.piece = piece
        self.taken = 0

    def readable(self):
        return True

    def readinto(self, buffer):
        piece = self.head or self.piece
        size = min(len(buffer), len(piece))
        self.head = piece[size:]
        buffer[:size] = piece[:size]
        self.taken += size
        return size


ENDLESS = {
    "a line": (b"id,name\n", b"x" * 65536, Format.CSV, "line of more than 1 MiB"),
    "a quoted cell": (b'id,name\nx,"', b"y\n" * 30000, Format.CSV, ":2: a quote is opened"),
    "cells in one record": (b'id,name\nx,"', b'y\n","' * 20000, Format.CSV, ":2: a quote is opened"),
    "a JSON line": (b'{"id": "', b"x" * 65536, Format.JSONL, "line of more than 1 MiB"),
    "zeros as CSV": (b"", b"\0" * 65536, Format.CSV, "line of more than 1 MiB"),
    "zeros as YAML": (b"", b"\0" * 65536, Format.YAML, "NUL"),
    "zeros as JSON": (b"", b"\0" * 65536, Format.JSON, "NUL"),
}


@pytest.mark.parametrize("case", ENDLESS)
def test_endless_input_ends_early(case):
    head, piece, form, part = ENDLESS[case]
    pipe = Endless(head, piece)
    assert part in refusal("-", format=form, batch="b", stdin=io.BufferedReader(pipe))
    assert pipe.taken < 10 * 1024 * 1024


LONG = {
    "yaml scalar": (".yaml", b"runs:\n- id: " + b"x" * 20_000_000),
    "yaml quoted": (".yaml", b'runs:\n- id: "' + b"x\n" * 10_000_000),
    "yaml comment": (".yaml", b"#" + b"x" * 20_000_000),
    "json string": (".json", b'[{"id": "' + b"x" * 20_000_000),
    "json table": (".json", b'[{"id": "x", "parameters": {"x": [' + b"1," * 10_000_000),
}


@pytest.mark.long
@pytest.mark.parametrize("case", LONG)
def test_a_huge_value_is_not_read_whole(tmp_path, case):
    suffix, text = LONG[case]
    path = tmp_path / f"m{suffix}"
    path.write_bytes(text)
    del text
    tracemalloc.start()
    try:
        assert "more than 1 MiB" in (message := refusal(path)) or "not JSON" in message
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100 * 1024 * 1024


def test_an_alias_bomb_does_not_go_off(problems_of):
    levels = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    levels += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    text = "defaults:\n  parameters:\n    " + "\n    ".join(levels) + "\nruns: [{id: x}]"
    (problem,) = problems_of(text, ".yaml")
    assert "aliases" in problem.message


def test_an_alias_bomb_of_long_text_does_not_go_off(problems_of):
    text = f"runs:\n- id: x\n  parameters: {{a: &a {'x' * 100_000}, b: [{'*a,' * 1000}]}}"
    (problem,) = problems_of(text, ".yaml")
    assert "aliases" in problem.message


def test_anchors_cannot_hold_the_whole_file(problems_of):
    rows = "".join(f"- {{id: r{n}, name: &a{n} {'x' * 100_000}}}\n" for n in range(100))
    (problem,) = problems_of(f"runs:\n{rows}", ".yaml")
    assert "anchors" in problem.message


def test_aliases_within_reason_are_taken(load_text):
    (spec,) = load_text("runs: [{id: x, parameters: {a: &a [1, 2], b: *a, c: {d: *a}}}]", ".yaml")
    assert '"parameters":{"a":[1,2],"b":[1,2],"c":{"d":[1,2]}}' in spec.request


def test_nesting_by_aliases_is_nesting(problems_of):
    steps = ", ".join(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 500))
    problems = problems_of(f"runs: [{{id: x, parameters: {{a0: &a0 [x], {steps}}}}}]", ".yaml")
    assert "nested more than 50 deep" in problems[0].message


@pytest.mark.parametrize("depth", [60, 1000, 100_000])
@pytest.mark.parametrize("pair", ["[]", "{}"])
@pytest.mark.parametrize("suffix", [".yaml", ".json", ".jsonl", ".csv"])
def test_nesting_ends_somewhere(problems_of, suffix, pair, depth):
    opening = "[" if pair == "[]" else '{"a":'
    value = opening * depth + "1" + pair[1] * depth
    row = f'{{"id": "x", "parameters": {{"a": {value}}}}}'
    texts = {".csv": f'id,parameters:json\nx,"{value.replace(chr(34), chr(34) * 2)}"', ".jsonl": row}
    problems = problems_of(texts.get(suffix, f"[{row}]"), suffix)
    assert "nested" in problems[0].message


def test_depth_within_reason_is_taken(load_text):
    value = "[" * 40 + "1" + "]" * 40
    for suffix in (".yaml", ".json"):
        assert value in load_text(f'[{{"id": "x", "parameters": {{"a": {value}}}}}]', suffix)[0].request


def test_placeholders_cannot_be_used_to_fill_the_memory(problems_of):
    text = f"id,parameters.a,parameters.b\nx,{'a' * 200_000},{'{parameters.a}' * 10_000}\n"
    (problem,) = problems_of(text, ".csv")
    assert problem.field == "parameters.b"
    assert "more than 1048576 characters" in problem.message


def test_a_million_unknown_fields_take_no_time(problems_of):
    row = "{" + ",".join(f'"workflowI{n}":1' for n in range(50_000)) + ', "id": "x"}'
    assert len(problems_of(row, ".jsonl")) == 50


def test_wide_headers_take_no_time(problems_of):
    assert "100001 columns" in problems_of("id" + ",id" * 100_000, ".csv")[0].message
    assert problems_of("id" + ",id" * 9_000, ".csv")


def test_hostile_text_cannot_drive_the_terminal(problems_of):
    escape = "\\u001b]0;x\\u0007\\u202e"
    text = f'{{"id": "{escape}", "{escape}": 1, "tags": {{"aws:{escape}": "1"}}, "logLevel": "{escape}"}}'
    problems = problems_of(text, ".jsonl")
    assert len(problems) >= 4
    for problem in problems:
        assert str(problem).isprintable()


def test_messages_are_cut(problems_of):
    (problem,) = problems_of(f"id,logLevel\nx,{'y' * 100_000}\n", ".csv")
    assert len(str(problem)) < 1000


BINARY = {
    "gzip": (b"\x1f\x8b\x08\0", "gzip"),
    "xlsx": (b"PK\x03\x04abc", "Excel"),
    "parquet": (b"PAR1abc", "Parquet"),
    "sqlite": (b"SQLite format 3\0abc", "ledger"),
}


@pytest.mark.parametrize("case", BINARY)
@pytest.mark.parametrize("suffix", [".csv", ".yaml", ".json", ".jsonl"])
def test_binary_files_are_called_by_their_name(problems_of, suffix, case):
    head, part = BINARY[case]
    (problem,) = problems_of(head, suffix)
    assert part in str(problem)


def test_paths_that_are_no_files(tmp_path):
    assert "no such file" in refusal(tmp_path / "gone.csv")
    (tmp_path / "link.csv").symlink_to("annexed.csv")
    assert "a link to annexed.csv, which is not there" in refusal(tmp_path / "link.csv")
    (tmp_path / "folder.csv").mkdir()
    assert "directory" in refusal(tmp_path / "folder.csv")
    assert "no such file" in refusal("") or "format" in refusal("")
    assert "not a valid path" in refusal("a\0b.csv")
    for address in ("https://lab.org/m.csv", "gs://lab/m"):
        assert "fetch or download it, and give the file" in refusal(address)
    for name, cure in (("m.dat", "--format"), ("m.dat.gz", "--format"), ("m.csv.bz2", "unpack it")):
        assert "no such file" in refusal(tmp_path / name)
        (tmp_path / name).touch()
        assert cure in refusal(tmp_path / name)


def test_a_file_that_may_not_be_read(monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    # Root may read everything, so the refusal has to be staged.
    monkeypatch.setattr(pathlib.Path, "open", refuse)
    assert "may not read" in refusal("m.csv")


@pytest.mark.parametrize("method", ["write", "flush"])
@pytest.mark.parametrize("form", [Format.CSV, Format.YAML])
def test_a_full_disk_is_told(monkeypatch, form, method):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, method, full)
    text = {Format.CSV: b"id\nx\n", Format.YAML: b"- id: x"}[form]
    assert "TMPDIR" in refusal("-", format=form, batch="b", stdin=io.BytesIO(text))


def test_a_failing_disk_is_told():
    class Failing(io.BytesIO):
        def read(self, *_):
            raise OSError(5, "Input/output error")

    assert "cannot be read" in refusal("-", format=Format.CSV, batch="b", stdin=Failing())


def test_a_pipe_with_a_name_is_read(tmp_path):
    path = tmp_path / "m.csv"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=("id\nx\n",))
    writer.start()
    with load(Source(path=str(path), sets=SETS)) as manifest:
        assert manifest.count == 1
    writer.join()


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "loop"])
def test_runs_cannot_reach_outside_or_hang(tmp_path, kind):
    folder = tmp_path / "manifest"
    folder.mkdir()
    (tmp_path / "outside.csv").write_text("id\nsecret\n")
    rows = folder / "rows.csv"
    make = {
        "link": lambda: rows.symlink_to(tmp_path / "outside.csv"),
        "pipe": lambda: os.mkfifo(rows),
        "folder": rows.mkdir,
        "loop": lambda: rows.symlink_to(rows),
    }
    make[kind]()
    path = folder / "m.yaml"
    path.write_text("runs: rows.csv")
    message = refusal(path)
    assert "m.yaml:1:7" in message or "rows.csv" in message
    assert "secret" not in message


@pytest.mark.long
def test_memory_does_not_grow_with_the_file(tmp_path):
    def peak(rows: int) -> int:
        path = tmp_path / f"{rows}.csv"
        with path.open("w") as stream:
            stream.write("id," + ",".join(f"parameters.p{n}" for n in range(6)) + "\n")
            stream.writelines(f"r{row}{',s3://bucket/some/object' * 6}\n" for row in range(rows))
        tracemalloc.start()
        try:
            with load(Source(path=str(path), sets=SETS)) as manifest:
                assert manifest.count == rows
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)  # caches
    small, large = peak(1_000), peak(20_000)
    # The ids are kept; the spool holds up to 4 MiB before it goes to disk. The file is 6 MB.
    assert large - small < 20_000 * 300 + 4 * 1024 * 1024


@pytest.mark.long
def test_memory_does_not_grow_with_the_mistakes(tmp_path):
    def peak(rows: int) -> int:
        path = tmp_path / f"{rows}.jsonl"
        mistakes = ({f"mistake-{row}-{number}": 1 for number in range(3_000)} for row in range(rows))
        path.write_text("".join(json.dumps({"id": "x"} | fields) + "\n" for fields in mistakes))
        tracemalloc.start()
        try:
            assert "more" in refusal(path)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1)  # caches
    assert peak(10) - peak(1) < 2 * 1024 * 1024


# What scripts/fuzz found.


def test_a_long_id_of_surrogate_halves_is_a_problem(problems_of):
    row = '{"id": "' + "\\udc9d" * 127 + '"}'
    assert "cannot be printed" in problems_of(row, ".jsonl")[0].message
