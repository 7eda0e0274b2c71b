"""What the files say of the house: every room that is named is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "batchrun"
#: In a docstring, a file or folder where something else belongs stands in parentheses.
_NAMED = re.compile(r"\(((?:``[a-z_][a-z_.]*``(?:, | and )?)+)\)")
_PAGES = sorted((ROOT / ".github").glob("*.md"))


def _places(path: Path, name: str) -> Iterator[Path]:
    """Return where a file of that name may be: beside *path*, a folder up, or in the package."""
    for folder in (path.parent, path.parent.parent, PACKAGE, ROOT):
        place = folder.joinpath(*name.split("."))
        yield place
        yield place.with_name(f"{place.name}.py")


@pytest.mark.parametrize("package", sorted({path.parent for path in PACKAGE.rglob("*.py")}), ids=str)
def test_what_a_file_names_as_the_place_of_something_else_is_there(package: Path):
    for path in package.glob("*.py"):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        said = re.split("Belongs here|Does not belong here", text, maxsplit=1)[1:]
        named = re.findall(r"``([^`]+)``", " ".join(_NAMED.findall("".join(said))))
        for name in named:
            assert any(place.exists() for place in _places(path, name)), f"{path}: {name}"


def _lone_texts(tree: ast.Module) -> Iterator[int]:
    """Find the lines with a text that is a statement of its own, and no docstring."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for statement in body[1:] if isinstance(body, list) else ():
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                yield statement.lineno


def test_no_text_was_cut_off_from_the_line_before_it():
    """Seen: three messages ended in the middle, since the rest of each stood alone on the next line."""
    found = [
        f"{path}:{line}"
        for path in PACKAGE.rglob("*.py")
        for line in _lone_texts(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not found


def test_a_class_name_has_one_meaning():
    """
    But for the options of verbs, private classes, and the simulator, which is the service's side.

    Both meanings of Retried are contracts: ledgers hold the event's name, programs use the result of a retry.
    """
    homes: dict[str, list[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        for name in re.findall(r"^class ([A-Z]\w*)", path.read_text(encoding="utf-8"), re.MULTILINE):
            if PACKAGE / "simulator" not in path.parents and name not in {"Options", "Retried"}:
                homes.setdefault(name, []).append(str(path.relative_to(ROOT)))
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_paths_that_the_pages_for_developers_name_are_there(page: Path):
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:[a-z_]+/)+[a-z_.]*)`", text)
    assert named
    for name in named:
        places = [folder / f"{name}{end}" for folder in (ROOT, PACKAGE) for end in ("", ".py")]
        assert any(place.exists() for place in places), name
    scripts = set(re.findall(r"^(scripts/\w+)", text, re.MULTILINE))
    assert all((ROOT / script).is_file() for script in scripts)
