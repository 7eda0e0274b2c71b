"""A command of the user's, with the summary on its standard input.

It runs in a shell, so that pipes and ``"$BATCHRUN_HOOK_BATCH"`` work; no text from a manifest or the service
is ever part of the command line.

Belongs here: starting one process group, and making sure that it ends. Does not: the time limit (``teller``).
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import IO, TYPE_CHECKING, Final, Self

import anyio

from batchrun.errors import NoticeError
from batchrun.model.notices import Notice
from batchrun.notify.teller import Channel, Message

if TYPE_CHECKING:
    from anyio.abc import Process


#: Seconds between SIGTERM and SIGKILL.
_GRACE: Final = 2.0
#: Seconds between two looks at whether the group has ended.
_LOOK: Final = 0.05
#: Cures by the exit codes with which a shell reports that it could not run the command.
_CURES: Final = {
    126: "make it executable",
    127: "give the full path of each program: cron's and systemd's PATH is short",
}
#: Bytes of output that are kept, and characters that are shown.
_KEPT: Final = 4096
_TOLD: Final = 300
_PIECE: Final = 64 * 1024
#: Pieces read after the command has ended: what a pipe can hold. Processes that still write are ignored.
_HELD: Final = 16


class Command(Channel):
    """Runs a shell command for some notices."""

    def __init__(self, command: str, *, name: str, notices: Collection[Notice]) -> None:
        """Create one that logs call *name*: the command itself may contain a secret."""
        self._command = command
        self._name = name
        self._notices = frozenset(notices)

    @property
    def name(self) -> str:
        """Its name in logs."""
        return self._name

    def takes(self, notice: Notice) -> bool:
        """Return whether it is run for *notice*."""
        return notice in self._notices

    async def deliver(self, message: Message) -> None:
        """Run it until it ends; if cancelled, end it and all processes that it started."""
        # A file, not a pipe: a command that does not read it blocks nothing.
        with tempfile.TemporaryFile() as given, LastWords() as said:
            given.write(message.as_json.encode() + b"\n")
            given.seek(0)
            code = await self._run(given, said, _environment(message))
            if code != 0:
                raise NoticeError(
                    _how_it_ended(code, said.text), cure=_CURES.get(code, "correct the command")
                )

    async def _run(self, given: IO[bytes], said: LastWords, environment: Mapping[str, str]) -> int:
        try:
            process = await anyio.open_process(
                ["/bin/sh", "-c", self._command],
                stdin=given,
                stdout=said.writing,
                stderr=said.writing,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise NoticeError(
                f"/bin/sh cannot be run: {error.strerror}", cure="look at the machine"
            ) from error
        async with process, said.heard():
            try:
                return await process.wait()
            except anyio.get_cancelled_exc_class():
                with anyio.CancelScope(shield=True):
                    await _end(process)
                raise


async def _end(process: Process) -> None:
    """End the whole group: by SIGTERM, and what is left after a moment by SIGKILL."""
    _signal(process, signal.SIGTERM)
    with anyio.move_on_after(_GRACE):
        await process.wait()  # a shell ends at once; what it started may have to clean up
        while _signal(process, 0):  # noqa: ASYNC110 (nothing tells of the end of a group)
            await anyio.sleep(_LOOK)
    _signal(process, signal.SIGKILL)


def _signal(process: Process, number: int) -> bool:
    """Send a signal to the group, or none for 0; report whether anything is left of it."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):  # it has ended; macOS raises the latter
        return False
    return True


def _environment(message: Message) -> Mapping[str, str]:
    """Return our environment with the message's facts, under names that batchrun reads no options from."""
    facts = {
        "NOTICE": message.notice.value,
        "BATCH": message.batch,
        "TITLE": message.title,
        "EXIT_CODE": message.summary.get("exit_code"),
        "RESULTS": message.summary.get("results"),
    }
    known = {f"BATCHRUN_HOOK_{name}": str(value) for name, value in facts.items() if value is not None}
    return {**os.environ, **known}


def _how_it_ended(code: int, last_words: str) -> str:
    how = f"it was ended by signal {-code}" if code < 0 else f"it ended with exit code {code}"
    return f"{how}: {last_words}" if last_words else how


class LastWords:
    """The last output of a command, read from a pipe; a context manager."""

    def __init__(self) -> None:
        self._reading, self.writing = os.pipe()  #: *writing* is for the command's stdout and stderr
        os.set_blocking(self._reading, False)
        self._is_given = False
        self._kept = b""

    @property
    def text(self) -> str:
        """The last output."""
        return self._kept.decode(errors="replace").strip()[-_TOLD:]

    @asynccontextmanager
    async def heard(self) -> AsyncIterator[None]:
        """Read the output while the block lasts, and what is left in the pipe at its end."""
        self._let_go()
        async with anyio.create_task_group() as listening:
            listening.start_soon(self._listen)
            try:
                yield
            finally:
                listening.cancel_scope.cancel()
        for _ in range(_HELD):
            self._take()

    async def _listen(self) -> None:
        is_open = True
        while is_open:
            await anyio.wait_readable(self._reading)
            is_open = self._take()

    def _take(self) -> bool:
        """Read what the pipe has, if anything; return False once all writers have closed it."""
        try:
            piece = os.read(self._reading, _PIECE)
        except BlockingIOError:
            return True
        self._kept = (self._kept + piece)[-_KEPT:]
        return bool(piece)

    def _let_go(self) -> None:
        if not self._is_given:
            os.close(self.writing)
        self._is_given = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._let_go()
        os.close(self._reading)
