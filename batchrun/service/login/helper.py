"""
The helper that a profile names as its ``credential_process``.

On a terminal it is given the terminal, since it may ask for a code; elsewhere it is given nothing to read:
our own standard input may be a manifest. What it prints holds secrets, so none of it is ever shown but the
last line of its stderr, without what may be a key.

Belongs here: one process group, from its start to its certain end, and whether what it printed is what AWS's
tools agreed on. Does not: which helper (``chain``).
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

import anyio
import structlog

from batchrun.service.login.terminal import TimeLeft, lent, terminal

#: Bytes of either output that are kept; credentials take some hundreds.
_LARGEST: Final = 65_536
#: Seconds for which what it printed is read on after its end: a child of its may hold the pipe.
_GRACE: Final = 0.5
_TOLD: Final = 200
#: An access key's name, or anything long without a space: no message holds a credential.
_SECRET: Final = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{8,}|[A-Za-z0-9+/=_-]{32,}")
#: Seconds of waiting that are worth a word.
_WORTH_SAYING: Final = 5.0
#: How a program ends that Ctrl-C has reached, as signal and as exit code.
_INTERRUPTED: Final = (-signal.SIGINT, 128 + signal.SIGINT)
#: How a shell says that it could not run a program.
_NOT_RUN: Final = (126, 127)
_REQUIRED: Final = ("AccessKeyId", "SecretAccessKey")
_OPTIONAL: Final = ("SessionToken", "Expiration")
log = structlog.get_logger(__name__)


class HelperError(Exception):
    """A helper gave no credentials; *is_setting* where it cannot, as it is configured."""

    def __init__(self, reason: str, *, cure: str, is_setting: bool) -> None:
        self.reason = reason
        self.cure = cure
        self.is_setting = is_setting
        super().__init__(reason)


class Ended:
    """A helper that has succeeded, as botocore wants to see it."""

    returncode: Final = 0

    def __init__(self, printed: bytes) -> None:
        self._printed = printed

    async def communicate(self) -> tuple[bytes, bytes]:
        """Return what it printed."""
        return self._printed, b""


class Helper:
    """Runs helpers, within the time that is left."""

    def __init__(self, time_left: TimeLeft, terminal_turn: anyio.Lock) -> None:
        self._time_left = time_left
        self._terminal_turn = terminal_turn
        self.running: str | None = None  #: the program, while it runs and where it had to be ended

    async def run(self, *command: str, **_pipes: Any) -> Ended:
        """
        Run *command* to its end; if cancelled, end it with all that it started.

        Raises:
            HelperError: It gave no credentials.
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
            stack.enter_context(_said_if_long(self._called))
            code = await _followed(process, printed, said)
        if file is not None and code in _INTERRUPTED:
            signal.raise_signal(signal.SIGINT)  # meant for us as well, and only the helper had the terminal
            await anyio.sleep(_GRACE)  # for who heeds it
        _check(code, printed, said, self._called)
        self.running = None
        return Ended(bytes(printed))

    @property
    def _called(self) -> str:
        return f"its credential_process ({self.running})"


def _started(command: Sequence[str], file: int | None) -> subprocess.Popen[bytes]:
    """Start it in a process group of its own, and without a terminal in a session of its own."""
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
def _said_if_long(called: str) -> Iterator[None]:
    """Say what is waited for, where it takes longer than anybody expects."""
    say = partial(log.info, "waiting_for_helper", helper=called)
    later = asyncio.get_running_loop().call_later(_WORTH_SAYING, say)
    try:
        yield
    finally:
        later.cancel()


async def _followed(process: subprocess.Popen[bytes], printed: bytearray, said: bytearray) -> int:
    """Keep what it prints until it has ended, and then end whatever it left behind."""
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
    """Read *pipe* to its end; who prints without limit is ended."""
    while pipe is not None:
        await anyio.wait_readable(pipe)
        if not (chunk := os.read(pipe.fileno(), _LARGEST)):
            return
        kept += chunk
        if len(kept) > _LARGEST:
            _signal(process, signal.SIGKILL)
            return


async def _end(process: subprocess.Popen[bytes], waiting: asyncio.Future[int]) -> None:
    """End the whole group: politely, and after a moment for certain."""
    _signal(process, signal.SIGTERM)
    with anyio.move_on_after(_GRACE):
        await asyncio.shield(waiting)
    _signal(process, signal.SIGKILL)
    await waiting


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # it has ended already; macOS says the latter
        os.killpg(process.pid, number)


def _check(code: int, printed: bytearray, said: bytearray, called: str) -> None:
    """Hold what it did against what AWS's tools agreed on."""
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
    return _SECRET.sub("***", " ".join(last.split()))[:_TOLD]
