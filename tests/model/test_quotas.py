from __future__ import annotations

import pytest

from batchrun.model.paces.quotas import CODES, USUAL, Quotas, storage_types
from tests.builders import spec

KNOWN = Quotas(dynamic_runs=200, static_runs=50)


@pytest.mark.parametrize(
    ("asked_for", "expected"),
    [
        ({"DYNAMIC"}, {"DYNAMIC": 200}),
        ({"STATIC"}, {"STATIC": 50}),
        ({"DYNAMIC", "STATIC"}, {"DYNAMIC": 200, "STATIC": 50}),
        ({"DYNAMIC", None}, {"DYNAMIC": 200, "STATIC": 50}),
        ({"A NEW KIND"}, {"DYNAMIC": 200, "STATIC": 50}),
        (set(), {"DYNAMIC": 200, "STATIC": 50}),
    ],
)
def test_the_kind_of_storage_says_which_quota_bears_on_a_row(asked_for, expected):
    assert KNOWN.active_runs(asked_for) == expected


def test_what_is_not_known_is_left_out():
    assert Quotas(static_runs=50).active_runs({"DYNAMIC"}) == {}
    assert Quotas(static_runs=50).active_runs({None}) == {"STATIC": 50}


def test_the_usual_quotas_are_those_of_the_users_guide():
    assert USUAL.active_runs({None}) == {"DYNAMIC": 50, "STATIC": 10}


def test_rows_tell_their_storage():
    rows = [spec("a"), spec("b", storageType="STATIC"), spec("c", storageType="STATIC")]
    assert storage_types(rows) == {None, "STATIC"}


def test_each_quota_has_a_code():
    assert CODES.keys() == set(Quotas.__slots__)
