"""Whose something is, by its ARN."""

from __future__ import annotations

import pytest

from batchrun.model.lanes import account_of, place_of


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        ("arn:aws:omics:us-east-1:123456789012:run/1000001", "123456789012"),
        ("arn:aws-us-gov:omics:us-gov-west-1:000000000001:run/1", "000000000001"),
        ("arn:aws:omics:us-east-1::workflow/1", None),
        ("arn:aws:omics:us-east-1:12345678901:run/1", None),
        ("arn:aws:omics:us-east-1:1234567890123:run/1", None),
        ("arn:aws:omics:us-east-1:12345678901٣:run/1", None),
        ("arn:aws:s3:::123456789012:run/1", None),
        ("x", None),
        ("", None),
    ],
)
def test_an_arn_names_an_account_or_none(arn, expected):
    assert account_of(arn) == expected


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        ("arn:aws:omics:us-west-2:111111111111:run/1", ("111111111111", "us-west-2")),
        ("arn:aws:omics::111111111111:run/1", ("111111111111", None)),
        ("arn:aws:s3:::bucket", (None, None)),
    ],
)
def test_an_arn_names_a_place(arn, expected):
    assert place_of(arn) == expected
