"""A sample of ``scripts/soak team``: each disturbance once, one after the other as the team goes on."""

from __future__ import annotations

import pytest

from tests.crash.team import sample
from tests.postgres.server import NoServerError

pytestmark = pytest.mark.long


def test_three_launchers_of_one_batch_that_are_killed_suspended_cut_off_and_lose_their_server():
    try:
        done, runs = sample(seed=3, rows=30)
    except NoServerError as error:
        pytest.skip(str(error))
    assert runs == 30
    assert "kill" in done
