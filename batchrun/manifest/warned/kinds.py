"""
What a rule says of a value, and the kinds of it.

Belongs here: these values. Does not: any rule, places.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Kind(enum.Enum):
    """Kinds of warnings: their values are what ``--json`` calls them."""

    WHITE_SPACE = "white_space"  #: at an end
    INVISIBLE = "invisible_character"
    QUOTES = "quotes"
    LOOK_ALIKE = "look_alike_character"
    NOT_S3 = "not_s3"  #: written like a URI, and HealthOmics will not take it for one in S3
    LOCAL_PATH = "local_path"
    SPREADSHEET_ERROR = "spreadsheet_error"
    NOT_AVAILABLE = "not_available"
    UNTYPED = "untyped"
    SPREADSHEET_ID = "spreadsheet_id"
    SAME_FILE = "same_file"  #: twice in one row
    SHARED_FILE = "shared_file"  #: in two rows
    MATE_MISSING = "mate_missing"
    ENGINE_VERSION = "engine_version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """What is doubtful about a value, which is the sentence's subject."""

    kind: Kind
    says: str  #: such as "is a local path"
    cure: str
    at: int = 0  #: where in the text, so that a long one is shown around there
    cause: str | None = None  #: what makes two of them the same, where it is not what they say
    holds: Callable[[], bool] | None = None  #: whether it is one, once all rows are known; None for always
