"""Which batch a manifest belongs to: where most rows begin."""

from __future__ import annotations

import pytest

from batchrun.model.entries.belonging import (
    is_another,
    is_copy,
    is_renamed,
    is_slip,
    same_elsewhere,
)


@pytest.mark.parametrize(
    ("rows", "known", "expected"),
    [
        (2, 0, True),
        (2, 1, False),
        (3, 1, True),
        (3, 2, False),
        (1, 1, False),
        (100, 49, True),
        (100, 50, False),
    ],
)
def test_a_manifest_is_another_where_most_of_its_rows_are_not_known(rows, known, expected):
    assert is_another(rows, known) is expected


@pytest.mark.parametrize(
    ("elsewhere", "expected"),
    [
        ({}, None),
        ({"a": 5}, None),
        ({"a": 6}, "a"),
        ({"a": 6, "b": 7}, "b"),
        ({"b": 6, "a": 6}, "a"),
        ({"a": 5, "b": 5}, None),
    ],
)
def test_a_manifest_means_the_batch_that_has_most_of_its_rows(elsewhere, expected):
    assert same_elsewhere(10, elsewhere) == expected


@pytest.mark.parametrize(
    ("moved", "is_number", "expected"),
    [(5, False, False), (6, False, True), (1, False, False), (1, True, True)],
)
def test_rows_are_renamed_where_most_are_or_a_number_lost_its_zeros(moved, is_number, expected):
    assert is_renamed(10, moved, is_number=is_number) is expected


@pytest.mark.parametrize(
    ("name", "other", "expected"),
    [
        ("cohrot", "cohort", True),
        ("cohotr", "cohort", True),
        ("cohrt", "cohort", True),
        ("choort-1", "cohort-1", True),
        ("cohoort", "cohort", True),
        ("cohurt", "cohort", False),
        ("rnaseq", "dnaseq", False),
        ("mother", "other", False),
        ("tumor+normal", "tumor-normal", False),
        ("Cohort", "cohort", True),
        ("cohort-1", "cohort_1", True),
        ("cohort-2026-01-11", "cohort_2026_01_11", True),
        ("cohort-1-11", "cohort-11-1", False),
        ("cohortA-1", "cohortB-1", False),
        ("cohor-1", "cohort-1", False),
        ("cohort", "cohort", False),
        ("cohort", "cohort2", False),
        ("cohort-1", "cohort-2", False),
        ("cohort-12", "cohort-21", False),
        ("cohort-a", "cohort-b", False),
        ("cohortA", "cohortB", False),
        ("cohort", "cohortb", False),
        ("coh1rt", "cohort", False),
        ("run-jan", "run-jun", False),
        ("rerun", "return", False),
        ("cohort", "", False),
        ("other", "cohort", False),
    ],
)
def test_a_name_is_a_slip_of_another_but_no_number_and_no_last_letter(name, other, expected):
    assert is_slip(name, other) is expected
    assert is_slip(other, name) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(("cohort (1)", True), ("cohort(12)", True), ("Cohort - Copy", True), ("cohort - Copy (2)", True)),
        *(("Copy of cohort", True), ("cohort copy 2", True), ("cohort (another copy)", True)),
        *(("cohort_copy", True), ("Copy of Copy of cohort (1)", True)),
        *(
            ("cohort", False),
            ("cohort2", False),
            ("cohort-2", False),
            ("cohort-b", False),
            ("photocopy", False),
        ),
    ],
)
def test_a_copy_is_told_by_what_programs_put_to_its_name(name, expected):
    assert is_copy(name, "cohort") is expected
    assert is_copy("cohort", name) is expected
