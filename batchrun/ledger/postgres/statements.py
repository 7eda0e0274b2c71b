"""PostgreSQL's statements and migrations, as psycopg takes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from batchrun.ledger.statements import Migration, schema, statements

_COMMENT: Final = re.compile(r"^\s*--.*\n?|\s--.*$", re.MULTILINE)
#: A named value, not the second colon of a cast.
_VALUE: Final = re.compile(r"(?<![:\w]):(\w+)")
_AMONG: Final = r"AND id = ANY (ARRAY(SELECT json_array_elements_text(\1::json)))"
_BY_KEY: Final = r"CROSS JOIN LATERAL (SELECT * FROM entry_rows WHERE key = \1 OFFSET 0) AS r"
#: What the statements for every database say, and what PostgreSQL has for it.
_WORDS: Final = (
    (re.compile(r"\bclock\(:at\)"), "server_micros()"),
    # Has listed ids, and rows known by key, looked up one by one in an index: the server overestimates how
    # many they are, and would scan the table.
    (re.compile(r"\bAND id IN \(SELECT value FROM json_each\((:\w+)\)\)"), _AMONG),
    (re.compile(r"\b(?:CROSS )?JOIN entry_rows AS r ON r\.key = (\w+\.\w+)"), _BY_KEY),
    # Constant-folded when planned: a partial index is only used for conditions on its column alone.
    (
        re.compile(r"coalesce\(((?:\w+\.)?may_take), ''\) = coalesce\(CAST\((:\w+) AS TEXT\), ''\)"),
        r"CASE WHEN \2::text IS NULL THEN \1 IS NULL ELSE \1 = \2::text END",
    ),
    (re.compile(r"\bjson_each\((:\w+)\)"), r"json_array_elements_text(\1::json)"),
    (re.compile(r"\bCROSS (?=JOIN \w+ AS \w+ ON\b)"), ""),  # the server chooses the order itself
    (re.compile(r" INDEXED BY \w+"), ""),
)


@cache
def queries() -> Mapping[str, str]:
    """Return every statement by name, with ``%(name)s`` for each value."""
    return MappingProxyType({name: _for_psycopg(sql) for name, sql in statements("postgres").items()})


def _for_psycopg(sql: str) -> str:
    sql = translated(_COMMENT.sub("", sql).strip())
    return _VALUE.sub(r"%(\1)s", sql.replace("%", "%%")) if _VALUE.search(sql) else sql


def translated(sql: str) -> str:
    """Return a statement for every database in PostgreSQL's words."""
    for words, own in _WORDS:
        sql = words.sub(own, sql)
    return sql


def migrations() -> tuple[Migration, ...]:
    """Return every migration, in order."""
    return schema("postgres")
