"""How these tests have a manifest looked at."""

from __future__ import annotations

import datetime as dt
import pathlib
import typing

import pytest

from batchrun.errors import ManifestWarning
from batchrun.manifest import Source, load
from tests.manifest.conftest import SETS

WarningsOf = typing.Callable[..., tuple[ManifestWarning, ...]]


@pytest.fixture
def warnings_of(tmp_path: pathlib.Path) -> WarningsOf:
    def look(
        text: str,
        suffix: str = ".csv",
        *,
        sets: tuple[str, ...] = (),
        today: dt.date = dt.date(2026, 11, 26),
        are_apart: bool = True,
        **options: typing.Any,
    ) -> tuple[ManifestWarning, ...]:
        path = tmp_path / f"m{suffix}"
        path.write_bytes(text.encode(errors="surrogatepass"))
        sets = (*SETS, *sets, *(["parameters.of={id}"] if are_apart else []))  # rows do not ask for the same
        with load(Source(path=str(path), sets=sets, **options), today=today) as manifest:
            for warning in manifest.warnings:
                assert str(warning).isprintable()
                assert warning.cure
            return manifest.warnings

    return look


def table(*cells: str, column: str = "parameters.a") -> str:
    """Write a CSV manifest with one column besides ids."""
    rows = (f'S{number:04},"{cell.replace(chr(34), chr(34) * 2)}"\n' for number, cell in enumerate(cells))
    return f"id,{column}\n{''.join(rows)}"
