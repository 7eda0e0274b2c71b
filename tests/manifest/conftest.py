"""How these tests write a manifest and load it."""

from __future__ import annotations

import pathlib
import typing

import pytest

from batchrun.errors import ManifestError, Problem
from batchrun.manifest import Source, load
from batchrun.model.spec import Spec

#: What StartRun cannot do without, for formats that have no defaults of their own.
SETS = (
    "workflowId=1234567",
    "roleArn=arn:aws:iam::123456789012:role/omics",
    "outputUri=s3://lab-results/{batch}/{id}/",
)

Text = str | bytes
LoadText = typing.Callable[..., list[Spec]]
ProblemsOf = typing.Callable[..., list[Problem]]


@pytest.fixture
def load_text(tmp_path: pathlib.Path) -> LoadText:
    def load_it(
        text: Text, suffix: str, *, sets: tuple[str, ...] = SETS, **options: typing.Any
    ) -> list[Spec]:
        path = tmp_path / f"m{suffix}"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        with load(Source(path=str(path), sets=sets, **options)) as manifest:
            return list(manifest.specs())

    return load_it


@pytest.fixture
def problems_of(load_text: LoadText) -> ProblemsOf:
    def find(text: Text, suffix: str, **options: typing.Any) -> list[Problem]:
        with pytest.raises(ManifestError) as caught:
            load_text(text, suffix, **options)
        for problem in caught.value.problems:
            assert problem.message
            assert problem.cure
            assert str(problem).isprintable()
        return list(caught.value.problems)

    return find
