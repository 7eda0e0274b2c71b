"""
Whose runs are meant: the account, by its number.

Belongs here: telling an account by an ARN, and what follows where two differ or one is not known. Does not:
asking for one (``service``).
"""

from __future__ import annotations

import re
from typing import Final

_ARN: Final = re.compile(r"arn:[^:]+:omics:[^:]*:([0-9]{12}):.+", re.DOTALL)


def account_of(arn: str) -> str | None:
    """Return the account that the ARN of something of HealthOmics names; None where it names none."""
    match = _ARN.fullmatch(arn)
    return match[1] if match else None
