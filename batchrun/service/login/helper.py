"""The helper that a profile names as its ``credential_process``.

It gets the terminal, where there is one, since it may ask for a code, and else nothing to read: our standard
input may be a manifest. Its output has secrets, so only the last line of its stderr is ever shown, with
anything like a key masked.

Belongs here: one process group, from start to certain end, and checking its output against AWS's format. Does
not: which helper (``chain``).
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

import anyio
import structlog

from batchrun.service.login.terminal import TimeLeft, lent, terminal

#: Bytes kept of each output; credentials take some hundreds.
_LARGEST: Final = 65_536
#: Seconds to read its output after its end: a child process may hold the pipe.
_GRACE: Final = 0.5
_LONGEST_MESSAGE: Final = 200
#: An access key id, or anything long without a space: no message shows a credential.
_SECRET: Final = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{8,}|[A-Za-z0-9+/=_-]{32,}")
#: Seconds of waiting that are worth logging.
_WORTH_LOGGING: Final = 5.0
#: How a program ends by Ctrl-C, as signal and as exit code.
_INTERRUPTED: Final = (-signal.SIGINT, 128 + signal.SIGINT)
#: A shell's exit codes for a program that it could not run.
_NOT_RUN: Final = (126, 127)
_REQUIRED: Final = ("AccessKeyId", "SecretAccessKey")
_OPTIONAL: Final = ("SessionToken", "Expiration")
log = structlog.get_logger(__name__)


class HelperError(Exception):
    """A helper returned no credentials; *is_setting* where its configuration cannot work."""

    def __init__(self, reason: str, *, cure: str, is_setting: bool) -> None:
        self.reason = reason
        self.cure = cure
        self.is_setting = is_setting
        super().__init__(reason)


class EndedHelper:
    """A helper that has succeeded, as botocore expects a process."""

    returncode: Final = 0

    def __init__(self, printed: bytes) -> None:
        self._printed = printed

    async def communicate(self) -> tuple[bytes, bytes]:
        """Return what it printed."""
        return self._printed, b""


class Helper:
    """Runs helpers, within the time that is left."""

    def __init__(self, time_left: TimeLeft, terminal_turn: anyio.Lock, place: Callable[[], str]) -> None:
        """Run those of one profile; *place* returns it as messages have it."""
        self._time_left = time_left
        self._place = place
        self._terminal_turn = terminal_turn
        self.running: str | None = None  #: the program while it runs, or where it had to be ended

    async def run(self, *command: str, **_pipes: Any) -> EndedHelper:
        """Run *command* to its end; if cancelled, end it and its children.

        Raises:
            HelperError: It returned no credentials.
        """
        if not command:
            raise HelperError("credential_process is empty", cure="name a program", is_setting=True)
        self.running = Path(command[0]).name
        printed, said = bytearray(), bytearray()
        async with AsyncExitStack() as stack:
            file = stack.enter_context(terminal())
            if file is not None:
                await stack.enter_async_context(self._time_left.for_a_person(self._terminal_turn))
            process = stack.enter_context(_started(command, file))
            stack.enter_context(lent(file, process.pid))
            stack.enter_context(_logged_if_long(self._called, self._place))
            code = await _followed(process, printed, said)
        if file is not None and code in _INTERRUPTED:
            signal.raise_signal(signal.SIGINT)  # meant for us too, but only the helper had the terminal
            await anyio.sleep(_GRACE)  # for its handler to act
        _check(code, printed, said, self._called)
        self.running = None
        return EndedHelper(bytes(printed))

    @property
    def _called(self) -> str:
        return f"its credential_process ({self.running})"


def _started(command: Sequence[str], file: int | None) -> subprocess.Popen[bytes]:
    """Start it in its own process group, or without a terminal in its own session."""
    apart: dict[str, Any] = {"start_new_session": True} if file is None else {"process_group": 0}
    try:
        return subprocess.Popen(  # noqa: S603 (it is the user's own)
            command,
            stdin=subprocess.DEVNULL if file is None else file,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **apart,
        )
    except OSError as error:
        reason = f"credential_process cannot be run: {command[0]}: {error.strerror}"
        raise HelperError(reason, cure="install it, or correct its path", is_setting=True) from error


@contextmanager
def _logged_if_long(called: str, place: Callable[[], str]) -> Iterator[None]:
    """Log what is waited for where the block takes long."""

    def say() -> None:
        log.info("waiting_for_helper", helper=called, login=place())

    later = asyncio.get_running_loop().call_later(_WORTH_LOGGING, say)
    try:
        yield
    finally:
        later.cancel()


async def _followed(process: subprocess.Popen[bytes], printed: bytearray, said: bytearray) -> int:
    """Read its output until it has ended, then end what it left running."""
    waiting = asyncio.get_running_loop().run_in_executor(None, process.wait)
    try:
        async with anyio.create_task_group() as readers:
            readers.start_soon(_keep, process, process.stdout, printed)
            readers.start_soon(_keep, process, process.stderr, said)
            await asyncio.shield(waiting)
            readers.cancel_scope.deadline = anyio.current_time() + _GRACE
    finally:
        with anyio.CancelScope(shield=True):
            await _end(process, waiting)
    return process.returncode


async def _keep(process: subprocess.Popen[bytes], pipe: IO[bytes] | None, kept: bytearray) -> None:
    """Read *pipe* to its end; a process that prints without limit is killed."""
    while pipe is not None:
        await anyio.wait_readable(pipe)
        if not (chunk := os.read(pipe.fileno(), _LARGEST)):
            return
        kept += chunk
        if len(kept) > _LARGEST:
            _signal(process, signal.SIGKILL)
            return


async def _end(process: subprocess.Popen[bytes], waiting: asyncio.Future[int]) -> None:
    """End the whole group by SIGTERM, and after a moment by SIGKILL."""
    _signal(process, signal.SIGTERM)
    with anyio.move_on_after(_GRACE):
        await asyncio.shield(waiting)
    _signal(process, signal.SIGKILL)
    await waiting


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # it has ended already; macOS says the latter
        os.killpg(process.pid, number)


def _check(code: int, printed: bytearray, said: bytearray, called: str) -> None:
    """Check exit code and output. Raises HelperError."""
    if max(len(printed), len(said)) > _LARGEST:
        raise HelperError(f"{called} prints without limit", cure="mend it", is_setting=True)
    if code != 0:
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        last_words = _last_words(said)
        raise HelperError(
            f"{called} {how}{': ' if last_words else ''}{last_words}",
            cure="correct that, or give another --profile",
            is_setting=code in _NOT_RUN,
        )
    if not printed.strip():
        raise HelperError(f"{called} printed nothing", cure="find out why", is_setting=False)
    if wrong := _what_is_wrong(printed):
        raise HelperError(
            f"{called} printed no credentials: {wrong}",
            cure="it must print JSON with Version 1, AccessKeyId and SecretAccessKey",
            is_setting=True,
        )


def _what_is_wrong(printed: bytearray) -> str | None:
    try:
        said = json.loads(printed.decode())
    except (ValueError, RecursionError):
        return "that is not JSON"
    if not isinstance(said, dict):
        return "that is not a JSON object"
    if said.get("Version") != 1:
        return f"its Version is {str(said.get('Version', 'not there'))[:20]}"
    for key in _REQUIRED:
        if not said.get(key) or not isinstance(said[key], str):
            return f"{key} is not text" if said.get(key) else f"{key} is not there"
    return next((f"{key} is not text" for key in _OPTIONAL if not isinstance(said.get(key) or "", str)), None)


def _last_words(said: bytearray) -> str:
    lines = said.decode(errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "")
    return _SECRET.sub("***", " ".join(last.split()))[:_LONGEST_MESSAGE]
