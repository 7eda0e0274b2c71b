"""What is public: exactly what ``__all__`` says, found late, documented, and typed."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path
from typing import assert_type

import pytest

import batchrun
from batchrun.api.launch import Launch as LaunchAtHome
from batchrun.manifest.load import Manifest as ManifestAtHome
from batchrun.model.paces.rates import Rate as RateAtHome
from batchrun.ports.ledger import Ledger as LedgerAtHome

TREE = ast.parse(Path(batchrun.__file__).read_text(encoding="utf-8"))


def imported_for_type_checkers() -> dict[str, str]:
    (block,) = [
        node for node in TREE.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    return {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }


def test_the_table_and_the_imports_for_type_checkers_are_one_list():
    assert imported_for_type_checkers() == batchrun._HOMES
    assert sum(len(names.split()) for names in batchrun._DEFINED.values()) == len(batchrun.__all__)


@pytest.mark.parametrize("name", batchrun.__all__)
def test_a_public_name_is_there_defined_where_it_is_said_to_be_and_documented(name):
    found = getattr(batchrun, name)
    assert inspect.getdoc(found)
    if inspect.isclass(found) or inspect.isfunction(found):
        assert found.__module__.startswith(batchrun._HOMES[name])
        members = [
            member for member in vars(found) if not member.startswith("_") and callable(vars(found)[member])
        ]
        assert all(inspect.getdoc(getattr(found, member)) for member in members)


def test_what_is_not_public_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'Launcher'"):
        batchrun.Launcher  # type: ignore[attr-defined]  # noqa: B018
    assert set(batchrun.__all__) <= set(dir(batchrun))
    namespace: dict[str, object] = {}
    exec("from batchrun import *", namespace)
    assert namespace.keys() - {"__builtins__"} == set(batchrun.__all__)


def test_to_import_it_imports_its_version_alone():
    code = "import sys, batchrun; print(*[name for name in sys.modules if name.startswith('batchrun.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) - {"batchrun._built"} == {"batchrun.version"}


def typed() -> None:
    """Never called: mypy, which checks the tests too, holds the types that a user sees."""
    assert_type(batchrun.load_manifest("cohort.csv"), ManifestAtHome)
    assert_type(batchrun.AUTO, RateAtHome)
    assert_type(batchrun.Counts().open, int)


async def typed_too(manifest: batchrun.Manifest) -> None:
    async with batchrun.launching(manifest, ledger="batchrun.db") as launch:
        assert_type(launch, LaunchAtHome)
        async for step in launch.steps():
            assert_type(step, batchrun.Step)
        assert_type(await launch.wait(), batchrun.Ended)
    async with batchrun.open_ledger("batchrun.db") as ledger:
        assert_type(ledger, LedgerAtHome)
