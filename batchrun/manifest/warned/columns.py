"""
What rows have under one name, and what is known of all of them: a rule for one value may need the others.

Belongs here: what takes the same room however many rows there are. Does not: the rules.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Company:
    """The values of a column, and of its mate's: what others hold."""

    s3: bool = False  #: a URI in S3, also where it is miswritten
    files: bool = False  #: that, or whatever else is written like a URI or a path

    def has_s3(self) -> bool:
        """Report whether any of them is in S3."""
        return self.s3

    def has_files(self) -> bool:
        """Report whether any of them is a file."""
        return self.files


@dataclass(slots=True, kw_only=True)
class Column:
    """A column of a table, or a field of a document."""

    name: str  #: as messages have it
    number: int | None = None  #: of a table's column, the first being 1
    is_parameter: bool = False  #: whether it goes to the workflow
    is_id: bool = False  #: whether the id is made of it
    is_shared: bool = False  #: whether rows may share reads under its name
    company: Company = field(default_factory=Company)
