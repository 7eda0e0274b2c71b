"""
What to say when a permission is missing.

Belongs here: the words and the cure. Does not: when a denial is the whole launch's (``model.denials``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from batchrun.errors import ServiceUnusableError

if TYPE_CHECKING:
    from batchrun.errors import CallError

#: AWS names the missing action in the middle of its message.
_DENIED_ACTION: Final = re.compile(r"not authorized to perform:? ([a-z0-9-]+:[A-Za-z*]+)")


def not_permitted(operation: str, error: CallError) -> ServiceUnusableError:
    """Make the error that ends a launch which lacks the permission for *operation*."""
    named = _DENIED_ACTION.search(error.message)
    action = named[1] if named else f"omics:{operation}"
    other = ", or leave the tags off with --no-tags" if action == "omics:TagResource" else ""
    return ServiceUnusableError(
        f"{operation} is denied again and again: {error.message}; the launch stops, nothing is lost: allow "
        f"{action}{other} ('batchrun help iam' has the whole policy), then run the same command again"
    )
