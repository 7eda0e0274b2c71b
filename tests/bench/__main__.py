"""
Measures batchrun against its peers: ``python -m tests.bench [GROUP...] [--repeats N] [--quick] [-o FILE]``.

Prints tables and writes them to a file. Belongs here: the command line, and the order of groups. Does not:
any figure.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

from tests.bench.bench import Bench
from tests.bench.engines import engines
from tests.bench.lanes import lanes
from tests.bench.machine import describe
from tests.bench.processes import ROOT, BenchError
from tests.bench.resume import resume
from tests.bench.scale import FULL, QUICK, Scale
from tests.bench.short import in_short
from tests.bench.sizes import sizes
from tests.bench.stores import stores
from tests.bench.submission import limited, unlimited
from tests.bench.table import Section, document
from tests.bench.watched import serve
from tests.bench.watching import watching
from tests.bench.woken import wake

#: Where the tables go, and the few of the README.
PLACES: Final = {
    "bench": ROOT / "batchrun" / "help" / "pace.md",
    "bench in short": ROOT / "README.md",
    "bench of engines": ROOT / "batchrun" / "help" / "engines.md",
}
GROUPS: Final[dict[str, Callable[[Bench, Scale], list[Section]]]] = {
    "submission-limited": limited,
    "submission-unlimited": unlimited,
    "watching": watching,
    "sizes": sizes,
    "resume": resume,
    "lanes": lanes,
    "serve": serve,
    "stores": stores,
    "wake": wake,
    "engines": engines,
}
#: Groups that have a topic of their own.
OWN_PAGE: Final = frozenset({"engines"})
Arguments: TypeAlias = argparse.Namespace
Found: TypeAlias = dict[str, list[Section]]  # by group


def measured(bench: Bench, name: str, scale: Scale) -> list[Section]:
    """Measure one group; where that fails, the others are still worth having."""
    try:
        return GROUPS[name](bench, scale)
    except BenchError as error:
        bench.tell(f"{name} FAILED: {error}")
        reason = str(error).splitlines()[0]
        return [Section(title=name, note=f"**Failed**: {reason}", rows=(), heads=())]


def main() -> int:
    asked = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if asked.write:
        for name in PLACES:
            _parts(name)  # better now than after half an hour
    repeats = asked.repeats or (1 if asked.quick else 3)
    command = shlex.join(["scripts/bench", *(word for word in sys.argv[1:] if word != "--write")])
    head = describe(command, repeats)
    try:
        found = _measure_all(asked, repeats, head)
    except KeyboardInterrupt:
        sys.stderr.write("bench: stopped\n")
        return 130
    sections = _all_of(found)
    sys.stdout.write(document(head, sections))
    if asked.write:
        _write(head, found)
    return 0 if all(section.rows for section in sections) else 1


def _write(head: str, found: Found) -> None:
    """Put what was measured where it is read; engines have a topic of their own."""
    own, others = found.pop("engines", []), _all_of(found)
    if own:
        _put("bench of engines", document(head, own))
    if others:
        _put("bench", document(head, others))
        _put("bench in short", in_short(others))


def _all_of(found: Found) -> list[Section]:
    return [section for sections in found.values() for section in sections]


def _measure_all(asked: Arguments, repeats: int, head: str) -> Found:
    """Measure the groups one after the other; what there is so far is in the file."""
    found: Found = {}
    with (
        tempfile.TemporaryDirectory(prefix="batchrun-bench-") as root,
        Bench(Path(root), repeats=repeats) as bench,
    ):
        bench.warm_up()
        for name in asked.groups or GROUPS:
            found[name] = measured(bench, name, QUICK if asked.quick else FULL)
            asked.output.write_text(document(head, _all_of(found)), encoding="utf-8")
    return found


def _arguments() -> Arguments:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measure batchrun against its peers.")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of: {', '.join(GROUPS)}; default: all")
    parser.add_argument("--repeats", type=int, help="measurements that a median is taken of (3; 1 if quick)")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, a few minutes, no figures to quote"
    )
    parser.add_argument("-o", "--output", type=Path, default=Path(".bench.md"), help="where the tables go")
    parser.add_argument("--write", action="store_true", help="put them into the manual too")
    asked = parser.parse_args()
    if unknown := [name for name in asked.groups if name not in GROUPS]:
        parser.error(f"there is no group '{unknown[0]}'; there are {', '.join(GROUPS)}")
    if asked.repeats is not None and asked.repeats < 1:
        parser.error("--repeats must be at least 1")
    if asked.write and (left := _left_out(asked.groups)):
        parser.error(
            f"--write makes whole pages, and would drop '{left[0]}': name all groups of a page, or none"
        )
    return asked


def _left_out(groups: list[str]) -> list[str]:
    """Return the groups that share a page with one of *groups*, and are not among them."""
    is_short = bool(set(groups) - OWN_PAGE)
    return [name for name in GROUPS if is_short and name not in groups and name not in OWN_PAGE]


def _parts(name: str) -> tuple[str, str]:
    """Return what stands before and after the place for the tables of this name, marks included."""
    begin, end = f"<!-- {name}: made by scripts/bench -->", f"<!-- end of {name} -->"
    whole = PLACES[name].read_text(encoding="utf-8")
    if begin not in whole or end not in whole:
        raise SystemExit(f"bench: {PLACES[name]} has no place for it: {begin} ... {end}")
    before, rest = whole.split(begin, 1)
    return f"{before}{begin}\n", end + rest.split(end, 1)[1]


def _put(name: str, text: str) -> None:
    before, after = _parts(name)
    PLACES[name].write_text(f"{before}{text}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
