"""Outputs that may be in S3: written to a local file first, and uploaded whole after success.

Belongs here: where such an output may go, and the upload of its draft. Does not: files (``outputs``), their
content, calling S3 (``service``).
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, TypeAlias

from batchrun.errors import DeliveryError, ServiceError, UsageError
from batchrun.model.texts.places import is_in_s3, split_uri, wrong_place
from batchrun.report.outputs import Kind, OutputFile, ProtectedFiles

if TYPE_CHECKING:
    from batchrun.ports.objects import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputObject:
    """An output in S3."""

    uri: str
    kind: Kind
    option: str  #: the option for another place: ``--results FILE``
    again: str  #: the command that writes it again, in words
    protected: ProtectedFiles = field(default_factory=ProtectedFiles)
    force: bool = False  #: whether any existing object but an input may be replaced

    @property
    def shown(self) -> str:
        """What messages call it."""
        return self.uri

    @property
    def place(self) -> str:
        """Its place, independent of the working directory."""
        return self.uri

    def check(self) -> None:
        """Raise UsageError if its name shows that it may not be written; nothing is called."""
        if wrong := wrong_place(self.uri):
            raise self._refused(f"cannot be written: {wrong[0]}; {wrong[1]}", ", or")
        if (role := self.protected.role_of_uri(self.uri)) is not None:
            raise self._refused(f"is not replaced: it is {role}")
        if why := self.kind.wrong_name(split_uri(self.uri)[1]):
            raise self._refused(why)

    def check_replaceable(self, mark: str | None) -> None:
        """Raise UsageError if the existing object may not be replaced; a *mark* of None is unknown."""
        if mark is None or self.force:
            return
        if self.kind.is_one is None or mark != self.kind.what:
            raise self._refused(self.kind.not_replaced, ", or")

    def refuse_unseen(self) -> UsageError:
        """Return the error for an existing object whose mark cannot be read."""
        return self._refused(
            "exists already, and cannot be read to see what it is: allow s3:GetObject on it", ", or"
        )

    def draft(self, folder: str) -> OutputFile:
        """Return the local file for its draft."""
        name = f"draft{PurePath(split_uri(self.uri)[1]).suffix}"
        return OutputFile(path=Path(folder) / name, kind=self.kind, option=self.option, called=self.uri)

    def _refused(self, why: str, then: str = ";") -> UsageError:
        return UsageError(f"{self.uri} {why}{then} give another {self.option}")


Destination: TypeAlias = OutputFile | OutputObject


def output_at(
    place: str, kind: Kind, *, option: str, again: str, protected: ProtectedFiles, force: bool = False
) -> Destination:
    """Return the output at a path or a place in S3. Raises UsageError if it may not be written there."""
    made: Destination = (
        OutputObject(uri=place, kind=kind, option=option, again=again, protected=protected, force=force)
        if is_in_s3(place)
        else OutputFile(path=Path(place), kind=kind, option=option, protected=protected, force=force)
    )
    made.check()
    return made


async def look(output: Destination, store: ObjectStore) -> None:
    """Raise UsageError if existing content may not be replaced; if S3 does not answer, this comes later."""
    if isinstance(output, OutputObject) and not output.force:
        with suppress(ServiceError):
            output.check_replaceable(await store.mark(output.uri))


@asynccontextmanager
async def delivered(output: Destination, store: ObjectStore) -> AsyncIterator[OutputFile]:
    """Yield the file to write; after success it becomes *output*, if anything was written."""
    output.check()
    if isinstance(output, OutputFile):
        yield output
        return
    with tempfile.TemporaryDirectory(prefix="batchrun-") as folder:
        draft = output.draft(folder)
        yield draft
        if draft.path.exists():
            try:
                await _put(output, draft.path, store)
            except ServiceError as error:
                raise DeliveryError(output.uri, str(error), again=output.again) from error


async def _put(output: OutputObject, draft: Path, store: ObjectStore) -> None:
    mark = None if output.force else await store.mark(output.uri)
    output.check_replaceable(mark)
    replaces = output.force or mark is not None
    if not await store.put(output.uri, draft, mark=output.kind.what, replaces=replaces):
        raise output.refuse_unseen()
