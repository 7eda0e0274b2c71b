"""PostgreSQL's statements and migrations, as psycopg takes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from batchrun.ledger.statements import Migration, schema, statements

_COMMENT: Final = re.compile(r"^\s*--.*\n?|\s--.*$", re.MULTILINE)
#: A named value; not the second colon of a cast.
_VALUE: Final = re.compile(r"(?<![:\w]):(\w+)")
_AMONG: Final = r"AND id = ANY (ARRAY(SELECT json_array_elements_text(\1::json)))"
_BY_KEY: Final = r"CROSS JOIN LATERAL (SELECT * FROM entry_rows WHERE key = \1 OFFSET 0) AS r"
#: What SQLite says in statements that are the same in every database, and what PostgreSQL has for it.
_WORDS: Final = (
    # What is listed, and rows that are known by their key, are looked for one by one, by an index: the server
    # guesses how many they are, and goes through all of a table of some thousand rows instead.
    (re.compile(r"\bAND id IN \(SELECT value FROM json_each\((:\w+)\)\)"), _AMONG),
    (re.compile(r"\b(?:CROSS )?JOIN entry_rows AS r ON r\.key = (\w+\.\w+)"), _BY_KEY),
    # Folded as the statement is planned: an index of few rows is only for what is said of its column alone.
    (
        re.compile(r"coalesce\(((?:\w+\.)?may_take), ''\) = coalesce\(CAST\((:\w+) AS TEXT\), ''\)"),
        r"CASE WHEN \2::text IS NULL THEN \1 IS NULL ELSE \1 = \2::text END",
    ),
    (re.compile(r"\bjson_each\((:\w+)\)"), r"json_array_elements_text(\1::json)"),
    (re.compile(r"\bCROSS (?=JOIN \w+ AS \w+ ON\b)"), ""),  # in the order that the server finds best
    (re.compile(r" INDEXED BY \w+"), ""),
)


@cache
def queries() -> Mapping[str, str]:
    """Return every statement by name, with ``%(name)s`` for each value."""
    return MappingProxyType({name: taken(sql) for name, sql in statements("postgres").items()})


def taken(sql: str) -> str:
    """Return *sql* without its comments, with its values as psycopg names them."""
    sql = in_its_words(_COMMENT.sub("", sql).strip())
    return _VALUE.sub(r"%(\1)s", sql.replace("%", "%%")) if _VALUE.search(sql) else sql


def in_its_words(sql: str) -> str:
    """Return *sql*, which may be of every database, as PostgreSQL takes it."""
    for words, own in _WORDS:
        sql = words.sub(own, sql)
    return sql


def migrations() -> tuple[Migration, ...]:
    """Return every migration, in order."""
    return schema("postgres")
