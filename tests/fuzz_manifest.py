"""
What ``scripts/fuzz`` runs: atheris against the manifest reader. Not a test: pytest does not collect it.

    python -m tests.fuzz_manifest DIRECTORY [OPTIONS OR INPUTS OF LIBFUZZER]

The first byte of an input chooses from ``KINDS`` where the rest goes: a format, a file of defaults or of
lanes, ``--batch`` and ``--set``, or the texts of a row. From ``REPEATED_FROM`` on, what stands between the
first two NULs is repeated, so that a few bytes can become a large manifest. A finding is

- any exception but ManifestError, and any problem that is empty, long, or not fit for a terminal;
- more than two seconds of processor time, or 256 MiB of memory, for one input;
- a file opened for writing, or outside of the manifest's folder; a process, a connection;
- a manifest that passed, and that botocore's validator refuses, or that means something else when it is
  written down as JSON Lines and read again.

Belongs here: the harness and its seeds. Does not: what was found, which is in ``manifest/test_hostile.py``.
"""

from __future__ import annotations

import codecs
import dataclasses
import io
import json
import os
import re
import resource
import sys
import tempfile
import time
import typing
from pathlib import Path

# Linux on x86-64 alone has wheels, so it is in a dependency group of its own, which no other tool sees.
import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

with atheris.instrument_imports(include=["batchrun.manifest", "batchrun.model", "yaml"]):
    from batchrun.errors import ManifestError
    from batchrun.manifest import Format, Source, limits, load, placeholders
    from batchrun.manifest import yaml_document as _  # noqa: F401 (else it is imported under the guard)
    from batchrun.manifest.rows import wrong_batch, wrong_name
    from batchrun.model.lanes import offers_of, offers_text
    from batchrun.model.spec import Json, Spec, canonical
    from batchrun.service_model import start_run_shape

from botocore.validate import ParamValidator

SECONDS = 2.0
MEMORY = 256 * 1024 * 1024
REPEATS = 1000
LARGEST = 64 * 1024
#: What is quoted is cut to 60 characters, and each may take ten to escape.
LONGEST_MESSAGE = 4000

SETS = (
    "workflowId=1234567",
    "roleArn=arn:aws:iam::123456789012:role/omics",
    "outputUri=s3://lab-results/{batch}/{id}/",
)
OPTIONS = "options"  #: a batch's name in the first line, and a --set in each other
TEXTS = "texts"  #: NULs between an id, two parameters, a tag's key and value, and a name
DEFAULTS = ("defaults.yaml", "defaults.json")
#: How a workbook begins; one is read in a process of its own, which none of the others may start.
WORKBOOK = b"PK\x03\x04"
LANES = ("lanes.yaml", "lanes.json")
KINDS = (*(form.value for form in Format), *DEFAULTS, OPTIONS, TEXTS, *LANES)
REPEATED_FROM = (256 // len(KINDS) - 1) * len(KINDS)

ROWS = {
    "rows.csv": b"id,parameters.x\na,1\n",
    "rows.tsv": b"id\tparameters.x\na\t1\n",
    "rows.jsonl": b'{"id": "a", "parameters": {"x": [1, 2.50]}}\n',
}


class Finding(AssertionError):  # noqa: N818 - it is no error of ours, but one that was found
    """Something that the reader must not do."""


class Guard:
    """Watches what one input makes the process do."""

    _FORBIDDEN = ("os.", "shutil.", "socket.", "subprocess.", "ctypes.", "pty.")
    _ALLOWED = frozenset({"os.listdir", "os.scandir", "os.putenv"})
    _WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

    def __init__(self, folder: Path, temporary: Path) -> None:
        self._folder = str(folder)
        self._temporary = str(temporary)
        self._hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        self._is_on = False
        # A hook cannot be taken away again, so it is there for good and mostly idle.
        sys.addaudithook(self._look)

    def __enter__(self) -> None:
        # Over the limit there is a MemoryError, whose traceback shows where.
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, self._hard))
        self._started = time.process_time()
        self._is_on = True

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._is_on = False
        resource.setrlimit(resource.RLIMIT_AS, (self._hard, self._hard))
        taken = time.process_time() - self._started
        if kind is None and taken > SECONDS:
            raise Finding(f"{taken:.1f} s for one input")

    def _look(self, event: str, args: tuple[typing.Any, ...]) -> None:
        if not self._is_on:
            return
        if event == "open":
            self._check_open(*args)
        elif event.startswith(self._FORBIDDEN) and event not in self._ALLOWED:
            raise Finding(f"{event} {args!r}")

    def _check_open(self, path: typing.Any, mode: str | None, flags: int) -> None:
        if isinstance(path, int):
            return
        real = os.path.realpath(os.fsdecode(path))
        if real.startswith(self._temporary):
            return
        if flags & self._WRITING or not real.startswith(self._folder):
            raise Finding(f"opened {path!r} with mode {mode}, flags {flags:o}")


class Target:
    """Reads one input after another, in a folder of its own."""

    def __init__(self, folder: Path, guard: Guard) -> None:
        self._folder = folder
        self._guard = guard
        self._shape = start_run_shape()
        self._validator = ParamValidator()
        for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32"):
            codecs.lookup(name)  # else its module is imported under the guard
        # The service's model is loaded once and late; here it is neither watched nor measured.
        source, stdin = self._source(OPTIONS, SEEDS[OPTIONS][0])
        load(source, stdin=io.BytesIO(stdin)).close()

    def __call__(self, data: bytes) -> None:
        if data and not data[1:].startswith(WORKBOOK):
            kind = KINDS[data[0] % len(KINDS)]
            is_repeated = data[0] >= REPEATED_FROM and kind not in {OPTIONS, TEXTS}
            self.read(kind, repeated(data[1:]) if is_repeated else data[1:])

    def read(self, kind: str, body: bytes) -> None:
        """Read *body* as *kind* says, and hold what comes of it against what must hold."""
        source, stdin = self._source(kind, body)
        with self._guard:
            try:
                with load(source, stdin=io.BytesIO(stdin)) as manifest:
                    batch, count, specs = manifest.batch, manifest.count, list(manifest.specs())
            except ManifestError as error:
                check_problems(error, body)
                return
        if wrong_batch(batch):
            raise Finding(f"the batch is called {batch!r}")
        if count != len(specs) or [spec.position for spec in specs] != list(range(count)):
            raise Finding(f"{count} rows, of which {len(specs)} come out")
        self._check_specs(batch, specs)

    def _source(self, kind: str, body: bytes) -> tuple[Source, bytes]:
        if kind == OPTIONS:
            # The way arguments come to us: what is not UTF-8 becomes halves of surrogate pairs.
            batch, *sets = body.decode(errors="surrogateescape").split("\n")
            row = b'{"id": "x", "parameters": {"reads": "s3://b/{id}", "n": 1}}'
            return Source(path="-", format=Format.JSONL, batch=batch, sets=(*SETS, *sets)), row
        if kind == TEXTS:
            return Source(path="-", format=Format.JSONL, batch="b", sets=SETS), row_of(body)
        if kind in DEFAULTS:
            (self._folder / kind).write_bytes(body)
            source = Source(path="-", format=Format.CSV, batch="b", sets=SETS, defaults=(kind,))
            return source, b"id,parameters.x\nx,{id}\n"
        if kind in LANES:
            (self._folder / kind).write_bytes(body)
            source = Source(path="-", format=Format.CSV, batch="b", sets=SETS, lanes=kind)
            return source, b"id,lane,parameters.x\nx,east,{lane}\ny,west|east,\nz,,\n"
        return Source(path="-", format=Format(kind), batch="b", sets=SETS), body

    def _check_specs(self, batch: str, specs: list[Spec]) -> None:
        rows: list[dict[str, Json]] = []
        for spec in specs:
            request = json.loads(spec.request)
            if canonical(request) != spec.request:
                raise Finding(f"not canonical: {spec.request!r}")
            if wrong_name(spec.id):
                raise Finding(f"the id is {spec.id!r}")
            for asked in (spec.request, *(offer.request for offer in offers_of(spec.content))):
                report = self._validator.validate({**json.loads(asked), "requestId": "x"}, self._shape)
                if report.has_errors():
                    raise Finding(f"botocore: {report.generate_report()}: {asked!r}")
            if spec.offers and offers_text(offers_of(spec.offers)) != spec.offers:
                raise Finding(f"not canonical: {spec.offers!r}")
            rows.append({"id": spec.id, **{name: escaped(value) for name, value in request.items()}})
        if len({spec.id for spec in specs}) != len(specs):
            raise Finding("an id is given twice")
        text = "\n".join(map(json.dumps, rows)).encode()
        with load(Source(path="-", format=Format.JSONL, batch=batch), stdin=io.BytesIO(text)) as again:
            for spec, other in zip(specs, again.specs(), strict=True):
                # It is read where there are no lanes, and with the batch's name filled in.
                if dataclasses.replace(spec, offers=None, work=other.work) != other:
                    raise Finding(f"{spec.request!r} is read again as {other.request!r}")


_LINE_ENDS = (b"\n", b"\r", *(end.encode() for end in "\x85\u2028\u2029"))


def check_problems(error: ManifestError, body: bytes) -> None:
    """Hold an error against what its reader needs."""
    kept = len(error.problems)
    if not 0 < kept <= limits.PROBLEMS or error.total < kept:
        raise Finding(f"{kept} problems of {error.total}")
    # YAML ends lines in more ways than others, and puts what is missing behind the last.
    lines = max(sum(map(body.count, _LINE_ENDS)), 2) + 2
    for problem in error.problems:
        text = str(problem)
        if not (problem.message and problem.cure and text.isprintable() and len(text) < LONGEST_MESSAGE):
            raise Finding(f"a problem of {len(text)} characters: {text[: 2 * LONGEST_MESSAGE]!r}")
        if not 0 < (problem.line or 1) <= lines or (problem.column or 1) < 1:
            raise Finding(f"no such place in {lines} lines: {text}")
    if not str(error).replace("\n", "").isprintable():
        raise Finding(f"not fit for a terminal: {error!r}")


def row_of(body: bytes) -> bytes:
    """Write a row of JSON Lines around texts that may be anything."""
    texts = body.decode(errors="surrogateescape").split("\0")
    entry_id, one, two, key, value, name = (*texts, *[""] * 6)[:6]
    row: dict[str, Json] = {"id": entry_id, "parameters": {"one": one, "two": two, "list": [two]}}
    row |= {"tags": {key: value}} if key else {}
    row |= {"name": name} if name else {}
    return json.dumps(row).encode()


def repeated(body: bytes) -> bytes:
    """Repeat what stands between the first two NULs, up to a limit."""
    head, *rest = body.split(b"\0", 2)
    middle, tail = (*rest, b"", b"")[:2]
    return head + middle * min(REPEATS, LARGEST // (len(middle) or 1)) + tail


_BRACE = re.compile(rf"\{{(?:({placeholders._NAME})\}})?")


def escaped(value: Json) -> Json:
    """Write a value so that reading it gives it back: what looks like a placeholder is text."""
    match value:
        case str():
            return _BRACE.sub(lambda m: "{{" if m[1] is None else f"{{{{{m[1]}}}}}", value)
        case list():
            return [escaped(part) for part in value]
        case dict():
            return {key: escaped(part) for key, part in value.items()}
        case _:
            return value


SEEDS: dict[str, tuple[bytes, ...]] = {
    "yaml": (
        b"runs: [{id: a}]",
        b"- id: a\n  parameters: {x: &a [1, 0x1F, .5, ~, no], y: *a, z: '{id}'}\n- {id: 0123}\n",
        b"batch: c\ndefaults: &d\n  parameters: {x: !!str 1, 'y': 2}\n  <<: *d\nruns: rows.csv\n",
        b"runs: rows.jsonl",
        b"runs: [{id: a, lane: [e, w]}]\nlanes: {e: {rate: 5}, w: {set: {name: '{lane}'}}}\n",
        b"lanes: {w: {account: 012345678901}}\nretry: [{reason: X, times: 1, change: {lane: w}}]\n",
        b"lanes: [e, w]\nruns: [{id: a, lane: e|w}]",
        b"runs: outside.csv",
        b"runs: ../manifest/../x.csv",
        b"runs: .",
        b"--- !!map\n? runs\n: - id: |-\n    a\n  tags: {a: >\n b}\n...\n--- x",
        b"%YAML 1.1\n---\n- {id: \"\\x41\\ud800\\u202e\", logLevel: ALL, name: 'a''b'} # c\n",
    ),
    "json": (
        b'{"runs": [{"id": "a"}]}',
        b'[{"id": "a", "parameters": {"x": [1e5, -0.0, null, true, "\\ud83d\\ude00 {id}"]}}, {"id": 7}]',
        b'{"lanes": {"e": {"endpoint_url": "http://127.0.0.1"}}, "runs": [{"id": "a", "lane": "e"}]}',
        b'{"runs": "rows.tsv", "batch": "c", "defaults": {"tags": {"k": "{batch}"}}}',
        b'{"batchName": "n", "defaultRunSetting": {"runTags": {"a": "b"}, "outputBucketOwnerId": "1"}}',
        b'{"batchRunSettings": {"inlineSettings": [{"runSettingId": "a", "priority": 1}]}}',
        b'{"batchRunSettings": {"s3UriSettings": "s3://b/k"}, "tags": {}, "requestId": "x"}',
    ),
    "jsonl": (
        b'{"id": "a", "parameters": {"x": "{parameters.y}{{id}}", "y": 1}}\n\n{"id": "b"}\n',
        b'{"id": "a", "outputUriPrefixMode": "NONE_WITH_OVERWRITE", "storageCapacity": 1200}',
        b'{"runSettingId": "a", "runTags": {"k": "v"}}',
        b'{"id": "a", "tags": {"aws:x": "1", "batchrun:y": "2"}}\n{"id": "a"}\n{"id": []}\n{}',
        b'\xef\xbb\xbf{"id": "a", "outputUri": "file:x", "parameters": {"x": "{y}", "z": "\\udc00"}}',
    ),
    "csv": (
        b'id,parameters.x:int,parameters.y:json,tags.k\na,1,"[""x"",1]",v\nb,,,\n',
        b"id,priority,parameters:json\na,5,{}\n",
        b'id,parameters.a:float,parameters.b:bool\r\n"a\n",1e5,true\r\n',
    ),
    "tsv": (b"id\tparameters.x\na\t{id}\n", b'id\ttags:json\na\t{"k": "v"}\n'),
    "defaults.yaml": (b"priority: 5\nparameters:\n  x: '{parameters.y}'\n  y: 1\ntags: {k: v}\n",),
    "defaults.json": (b'{"priority": 5, "parameters": {"x": [{"y": 1}]}, "logLevel": "OFF"}',),
    "lanes.yaml": (
        b"east: {profile: p}\nwest: {role: 'arn:aws:iam::111111111111:role/r', external_id: xy}\n",
        b"lanes: {east: {}, west: {read_rate: auto, set: {outputUri: 's3://b/{lane}/{id}'}}}",
    ),
    "lanes.json": (b'{"east": {"endpoint_url": "https://x.example"}, "west": {"set": {"name": "n"}}}',),
    TEXTS: (
        b"a\0{parameters.two}/{id}\0x",
        b"a\0{{parameters.two}}{{\0{batch}\0k\0{id}\0{batch}-{id}",
        b'a\0*_{1,2}.fq{}{"a":{"b":1}}\0{parameters.one}',
    ),
    OPTIONS: (
        b"cohort\nparameters.threads:int=8\ntags.k=v\nname={batch}-{id}",
        b'c\nparameters:json={"a": ["{id}"]}\npriority=5\nlogLevel=ALL',
        b"c\nparameters.n={parameters.reads}\nparameters.m=\xff\nid=x\n=\nx",
    ),
}
LARGE: dict[str, tuple[bytes, ...]] = {
    "yaml": (
        b"- {id: a, parameters: {x: \0[\0",
        b"- {id: a, parameters: {x: &a [1], y: [\0*a,\0]}}",
        b"\0- {id: a}\n\0",
    ),
    "json": (b'[{"id": "a", "parameters": {"x": \0[\0', b'[\0{"id": "a"},\0{}]'),
    "jsonl": (b'{"id": "a", "\0x\0": 1}', b'\0{"id": "a", "x": 1}\n\0'),
    "csv": (b"id\0,tags.x\0\na", b'id,name\n\0a,"x\n"\n\0', b"id,parameters.x\na,\0{id}\0"),
    "tsv": (b"id\tname\n\0a\t\n\0",),
}
SYNTAX = (
    *("lanes", "lane", "set", "region", "account", "role", "{lane}", "east", "west", "|"),
    *("id", "runs", "defaults", "batch", "batchName", "defaultRunSetting", "batchRunSettings"),
    *("inlineSettings", "s3UriSettings", "runSettingId", "runTags", "outputBucketOwnerId", "requestId"),
    *("{id}", "{batch}", "{parameters.x}", "{{", "}}", "{{id}}", "parameters.", "tags.", "tags.aws:"),
    *(":int", ":float", ":bool", ":json", "s3://", "rows.csv", "rows.jsonl", "outside.csv", "batchrun:"),
    *("null", "true", "false", "NaN", "Infinity", "-.inf", "0x1F", "0o7", "0123", "1e5", "1e999", "../"),
    *("\ufeff", "\x1b[", "\u202e", "\x85", "\u2028", "\U0010ffff", "\\ud800", "\\u001b", "\r\n", '""'),
    *("? ", "|-\n", ">\n", "<<: ", "&a ", "*a", "!!str ", "!!binary ", "!!python/object:x ", "---\n"),
    *("...\n", "%YAML 1.1\n", "\t", ",,", "[", "]", "{", "}", "#", "'", "- ", ": "),
)


def seeds(samples: Path) -> list[bytes]:
    """Return the inputs to begin with: our own, and the samples that ship with batchrun."""
    tables = ((0, SEEDS), (REPEATED_FROM, LARGE))
    found = [
        bytes([base + KINDS.index(kind)]) + text
        for base, table in tables
        for kind, texts in table.items()
        for text in texts
    ]
    for path in sorted(samples.iterdir()):
        name = path.name.partition(".")[2]
        kind = name if name in KINDS else path.suffix[1:]
        found.append(bytes([KINDS.index(kind)]) + path.read_bytes())
    return found


def dictionary() -> list[str]:
    """Return the words that are worth trying, as libFuzzer's dictionaries have them."""
    members = start_run_shape().members
    enums = (value for member in members.values() for value in getattr(member, "enum", ()))
    words = {*members, *enums, *SYNTAX}
    return sorted('"' + "".join(f"\\x{byte:02x}" for byte in word.encode()) + '"' for word in words)


def main() -> None:
    """Fuzz until libFuzzer's options say that it is enough, or something is found."""
    work = Path(sys.argv[1]).resolve()
    corpus, folder, temporary = (work / name for name in ("corpus", "manifest", "tmp"))
    for path in (corpus, folder, temporary):
        path.mkdir()
    samples = Path(__file__).resolve().parent.parent / "manifests"
    first = seeds(samples)
    for number, seed in enumerate(first):
        (corpus / f"seed-{number}").write_bytes(seed)
    for name, rows in ROWS.items():
        (folder / name).write_bytes(rows)
    (folder / "outside.csv").symlink_to(samples / "samples.csv")
    words = work / "words"
    words.write_text("\n".join(dictionary()) + "\n")
    os.chdir(folder)
    tempfile.tempdir = str(temporary)

    target = Target(folder, Guard(folder, temporary))
    given = [arg for arg in sys.argv[2:] if not arg.startswith("-")]
    options = [f"-dict={words}", "-timeout=30", "-rss_limit_mb=2048", f"-max_len={max(map(len, first))}"]
    atheris.Setup([sys.argv[0], *options, *sys.argv[2:], *([] if given else [str(corpus)])], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
