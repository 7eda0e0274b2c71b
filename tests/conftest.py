"""Every async test runs in virtual time, over real sockets; one that needs real time says so."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchrun.clock import VirtualLoop

# The same examples in every run: no test's success may be a matter of chance, or of how fast the machine is.
# New ones are looked for by hand: pytest --hypothesis-profile=many
settings.register_profile("few", max_examples=100, deadline=None, derandomize=True, database=None)
settings.register_profile("many", max_examples=1000, deadline=None)
settings.load_profile("few")

#: Files of tests are kept in memory where that is a folder: on a disk each commit waits for it.
_IN_MEMORY = Path("/dev/shm")
if os.access(_IN_MEMORY, os.W_OK):
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_IN_MEMORY))


def pytest_collection() -> None:
    """Collect no garbage while tests are collected: all of it stays."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Leave what was imported and collected out of every collection of garbage: it is much."""
    if "batchrun.ledger.sqlite.connection" in sys.modules:
        from tests.new_ledgers import quicken  # noqa: PLC0415 (imports what most single files do without)

        quicken()
    _ready()
    gc.collect()
    gc.freeze()
    gc.enable()


@given(st.none())
def _ready(_: None) -> None:
    """Have hypothesis make what it looks for among garbage before that is frozen (Python 3.14)."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, or the others wait for it in the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_asyncio_loop_factories(item):
    if item.get_closest_marker("real_time"):
        return {"real": asyncio.new_event_loop}
    return {"virtual": VirtualLoop}


@pytest.fixture(autouse=True)
def logs_as_they_come():
    """Forget how a test had the process write its logs: one that reads them would miss the quieter ones."""
    yield
    if "structlog" in sys.modules:
        sys.modules["structlog"].reset_defaults()


@pytest.fixture(autouse=True)
def no_aws_configuration(monkeypatch):
    """Keep the machine's own AWS configuration out of the tests."""
    for name in (
        "AWS_PROFILE",
        "AWS_SESSION_TOKEN",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_OMICS",
        "AWS_RETRY_MODE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATESTTESTTESTTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-that-must-not-be-seen")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere/credentials")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
