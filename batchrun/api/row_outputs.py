"""The outputs of a batch's rows, read concurrently and returned in the rows' order.

Belongs here: reading row by row, each with the login of its lane. Does not: choosing rows
(``report.chosen``), the calls (``service.s3.run_outputs``), how it is written (``cli.verbs.outputs``).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

import anyio

from batchrun.api.row_logs import access
from batchrun.errors import CallError, OutcomeUnknownError, ServiceUnusableError
from batchrun.manifest.strict_json import is_deep
from batchrun.model.entries.entry import Entry, Run
from batchrun.model.made import Made, NamedFiles, ambiguous, found, told
from batchrun.service.s3.run_outputs import RunOutputs, run_outputs
from batchrun.side_by_side import each

if TYPE_CHECKING:
    from batchrun.engine.reach import Reach


#: Consecutive rows of a lane without an answer from S3, after which the lane is given up.
_SILENT: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOutputs:
    """The outputs of one row, or why they are unknown."""

    entry: Entry
    run: Run
    made: Made | None
    problem: str | None = None


@dataclass(slots=True, kw_only=True)
class OutputsReader:
    """Reads the outputs of runs; use it with ``async with``."""

    reach: Reach
    names: Sequence[NamedFiles]  #: for files that are found by listing
    at_once: int  #: rows that are read concurrently
    most: int  #: most files that are listed of one run
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _open: dict[str | None, RunOutputs] = field(default_factory=dict)
    _opening: anyio.Lock = field(default_factory=anyio.Lock)
    #: Consecutive rows without an answer, by lane.
    _silent: Counter[str | None] = field(default_factory=Counter)

    async def rows(self, entries: AsyncIterator[Entry]) -> AsyncGenerator[RowOutputs]:
        """Yield the outputs of *entries* with runs. Raises ServiceUnusableError if all of the first fail."""
        page: list[Entry] = []
        is_first = True
        async for entry in entries:
            page.append(entry)
            if len(page) == self.at_once:
                for one in await self._page(page, is_first=is_first):
                    yield one
                page, is_first = [], False
        for one in await self._page(page, is_first=is_first):
            yield one

    async def _page(self, entries: Sequence[Entry], *, is_first: bool) -> Sequence[RowOutputs]:
        made: dict[str, RowOutputs] = {}

        async def read(entry: Entry) -> None:
            if entry.run is not None:
                made[entry.id] = await self._read(entry, entry.run)

        await each(read, entries, at_once=self.at_once)
        rows = [made[entry.id] for entry in entries if entry.id in made]
        if is_first and rows and all(one.made is None for one in rows):
            raise ServiceUnusableError(rows[0].problem or "")
        return rows

    async def _read(self, entry: Entry, run: Run) -> RowOutputs:
        if self._silent[entry.lane] >= _SILENT:
            silent = f"not asked for: S3 gave no answer for {_SILENT} rows before"
            return RowOutputs(entry=entry, run=run, made=None, problem=silent)
        try:
            made = await self._made(await self._outputs(entry.lane), run.output_uri)
        except ServiceUnusableError as error:
            if isinstance(error.__cause__, OutcomeUnknownError):
                self._silent[entry.lane] += 1
            elif isinstance(error.__cause__, CallError):  # a refusal is an answer
                self._silent[entry.lane] = 0
            return RowOutputs(entry=entry, run=run, made=None, problem=str(error))
        self._silent[entry.lane] = 0
        several = ambiguous(made, self.names)
        problem = None if several is None else _several(several)
        return RowOutputs(entry=entry, run=run, made=made, problem=problem)

    async def _made(self, outputs: RunOutputs, place: str | None) -> Made:
        if place is None:
            raise ServiceUnusableError("the service did not say its runOutputUri")
        if (summary := await outputs.summary(place)) is not None:
            return _read_summary(*summary)
        uris, has_more = await outputs.files(place, most=self.most)
        return found(place, uris, self.names, has_more=has_more)

    async def _outputs(self, lane: str | None) -> RunOutputs:
        async with self._opening:
            if lane not in self._open:
                service = access(self.reach, lane)
                connecting = run_outputs(service.login, beside=service.endpoint)
                self._open[lane] = await self._stack.enter_async_context(connecting)
            return self._open[lane]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self._stack.aclose()


def _read_summary(uri: str, text: bytes) -> Made:
    try:
        document = json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise ServiceUnusableError(f"{uri} cannot be read: {error}") from error
    if not isinstance(document, dict) or is_deep(document):
        raise ServiceUnusableError(f"{uri} cannot be read: it is not a table of outputs")
    return told(document)


def _several(name: str) -> str:
    cure = f"narrow its pattern, or give --files '{name}[]=PATTERN' for a list"
    return f"several files are '{name}'; {cure}"
