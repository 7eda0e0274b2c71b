"""Results as Parquet, through pyarrow, which is an extra."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, Final

from batchrun.errors import ResultsError, UsageError
from batchrun.report.columns import ResultsRow, View, text_of
from batchrun.report.outputs import OutputFile, replacing_bytes
from batchrun.report.results import SHARED_COLUMNS, Sink, fill, nested

if TYPE_CHECKING:
    from batchrun.ports.stored import Outcome

_ATTEMPT: Final = "attempt"
_TIMES: Final = frozenset({"creationTime", "startTime", "stopTime"})
#: Entries in a row group: what is held at once.
_GROUP: Final = 10_000


class ParquetSink(Sink):
    """
    A row for each entry, its earlier attempts in a list within it; times are times.

    A column has one type, so values of a row's own columns are text, as in a CSV.
    """

    def __init__(self, file: IO[bytes], view: View) -> None:
        self._arrow = _pyarrow("pyarrow")
        self._columns = view.names
        self._attempts = view.nests_attempts
        self._schema = self._schema_of(view.names)
        self._writer = _pyarrow("pyarrow.parquet").ParquetWriter(file, self._schema, compression="zstd")
        self._held: list[ResultsRow] = []

    def add(self, latest: ResultsRow, earlier: Sequence[ResultsRow]) -> None:
        """Take an entry; a full group is written."""
        self._held.append(nested(latest, earlier, self._columns, attempts=self._attempts))
        if len(self._held) == _GROUP:
            self._write()

    def finish(self) -> None:
        """Write what is left, and the footer."""
        if self._held:
            self._write()
        self._writer.close()

    def _write(self) -> None:
        rows = [_typed(row) for row in self._held]
        self._writer.write_table(self._arrow.Table.from_pylist(rows, schema=self._schema))
        self._held.clear()

    def _schema_of(self, columns: Sequence[str]) -> Any:
        pa = self._arrow
        fields = [(name, self._type(name)) for name in columns]
        if self._attempts:
            past = [(name, self._type(name)) for name in columns if name not in SHARED_COLUMNS]
            fields.append(("attempts", pa.list_(pa.struct(past))))
        return pa.schema(fields)

    def _type(self, name: str) -> Any:
        if name in _TIMES:
            return self._arrow.timestamp("ms", tz="UTC")
        types = {_ATTEMPT: self._arrow.int32, "changed": self._arrow.bool_}
        return types.get(name, self._arrow.string)()


async def write(output: OutputFile, outcomes: AsyncIterator[Outcome], view: View) -> int:
    """Replace the *output* by the results, and return the number of entries."""
    check()
    try:
        with replacing_bytes(output) as file:
            return await fill(ParquetSink(file, view), outcomes, view)
    except OSError as error:
        raise ResultsError(output.shown, error) from error


def check() -> None:
    """Raise UsageError, before anything is begun, where pyarrow is not installed."""
    _pyarrow("pyarrow.parquet")


def _typed(row: ResultsRow) -> dict[str, Any]:
    return {name: _value(name, value) for name, value in row.items()}


def _value(name: str, value: Any) -> Any:
    if name == "attempts":
        return [_typed(past) for past in value]
    if name in _TIMES and value:
        return datetime.fromisoformat(value)
    return value if name == _ATTEMPT else text_of(value)


def _pyarrow(module: str) -> Any:
    # By name: it is large, and most people never need it.
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UsageError(
            "Parquet needs pyarrow, which is not installed here; pip install 'batchrun[parquet]', or take "
            "--format csv, json or jsonl"
        ) from error
