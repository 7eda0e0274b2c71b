"""Whose runs are meant: the account, by its number, and where they are."""

from __future__ import annotations

import re
from typing import Final

_ARN: Final = re.compile(r"arn:[^:]+:omics:([^:]*):([0-9]{12}):.+", re.DOTALL)


def account_of(arn: str) -> str | None:
    """Return the account that the ARN of something of HealthOmics names; None where it names none."""
    return place_of(arn)[0]


def place_of(arn: str) -> tuple[str | None, str | None]:
    """Return that account and the region that the ARN names, each None where it names none."""
    match = _ARN.fullmatch(arn)
    return (match[2], match[1] or None) if match else (None, None)
