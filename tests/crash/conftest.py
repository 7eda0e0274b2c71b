"""One nursery for all attacks of a worker."""

from __future__ import annotations

import os

import pytest

from tests.crash.nursery import Nursery


@pytest.fixture(scope="session")
def nursery():
    os.environ |= {"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    made = Nursery()
    yield made
    made.close()
