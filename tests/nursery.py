"""
Makes batchrun processes quickly: ``python -m tests.nursery``.

Imports everything once, then forks a process for each command that it is told. A forked process is as real
as a started one, with its own memory, sockets and locks, and dies as dead; it only saves the imports, which
would else be most of the time that the tests take. What is to be seen from the first import on does without.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import gc
import importlib
import io
import json
import os
import pkgutil
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[1]
#: Seconds after which a test gives up what should come at once. No machine is judged by it.
PATIENCE = 100.0
#: The length of a request, or an answer: a process id, an exit code, or nothing yet.
_HEAD = struct.Struct("!Q")
_ANSWER = struct.Struct("!?q")


class Nursery:
    """The other end: a process that makes processes."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._lock = threading.Lock()
        command = [sys.executable, "-m", "tests.nursery", str(theirs.fileno())]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
        )
        theirs.close()

    def ask(self, request: dict[str, Any], streams: Sequence[int] = ()) -> int | None:
        said = json.dumps(request).encode()
        with self._lock:
            if streams:
                socket.send_fds(self._socket, [_HEAD.pack(len(said))], streams)
            else:
                self._socket.sendall(_HEAD.pack(len(said)))
            self._socket.sendall(said)
            is_known, value = _ANSWER.unpack(_read(self._socket, _ANSWER.size))
        return value if is_known else None

    def close(self) -> None:
        self._socket.close()
        self._process.wait()


@functools.cache
def nursery() -> Nursery:
    """Return the one of this process, which ends with it."""
    made = Nursery()
    atexit.register(made.close)
    return made


class Born(subprocess.Popen[str]):
    """A batchrun command, in a process that the nursery made; else what Popen makes of it."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        stdin: int | IO[Any] | None = None,
        stdout: int | IO[Any] | None = None,
        stderr: int | IO[Any] | None = None,
        dies_at: tuple[str, int] | None = None,
        speed: float = 1.0,
        many: int | None = None,
    ) -> None:
        self._request = {
            "folder": str(cwd),
            "environment": dict(os.environ if env is None else env),
            "arguments": list(arguments),
            "dies_at": dies_at,
            "speed": speed,
            "many": many,
        }
        super().__init__(["batchrun", *arguments], stdin=stdin, stdout=stdout, stderr=stderr, text=True)

    def _execute_child(self, *parts: Any) -> None:
        handles = parts[10:16]
        mine = [handles[at] for at in (0, 3, 5)]
        with Path(os.devnull).open("r+b", buffering=0) as nothing:
            answer = nursery().ask(self._request, [nothing.fileno() if fd == -1 else fd for fd in mine])
        assert answer is not None
        self.pid = answer
        self._child_created = True
        self._close_pipe_fds(*handles)  # type: ignore[attr-defined]

    def stop(self) -> None:
        """Stop it as SIGSTOP does, and wait until it stands."""
        self.send_signal(signal.SIGSTOP)
        nursery().ask({"stopped": self.pid})

    def _internal_poll(self, _deadstate: int | None = None, **_: Any) -> int | None:
        if self.returncode is None:
            try:
                self.returncode = nursery().ask({"poll": self.pid})
            except OSError:
                if _deadstate is None:
                    raise
                self.returncode = _deadstate  # it is forgotten after the nursery has ended
        return self.returncode

    def _wait(self, timeout: float | None) -> int:
        until = None if timeout is None else time.monotonic() + timeout
        pause = 0.001
        while self._internal_poll() is None:
            if until is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            time.sleep(pause)
            pause = min(2 * pause, 0.02)
        return self.returncode


def run(
    arguments: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    seconds: float = PATIENCE,
    speed: float = 1.0,
) -> subprocess.CompletedProcess[str]:
    """
    Run a command to its end, as ``subprocess.run`` does, with what it says taken down.

    Its waits are *speed* times as short: for one that only waits, and whose outcome no slow machine changes.
    """
    pipe = subprocess.PIPE
    process = Born(
        arguments,
        cwd=cwd,
        env=env,
        stdin=None if stdin is None else pipe,
        stdout=pipe,
        stderr=pipe,
        speed=speed,
    )
    with process:
        try:
            out, err = process.communicate(stdin, timeout=seconds)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def _read(stream: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        piece = stream.recv(size - len(found))
        if not piece:
            raise EOFError
        found += piece
    return found


def _be_born(request: dict[str, Any], streams: Sequence[int]) -> None:
    from batchrun.cli.main import main  # noqa: PLC0415

    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored where nohup has started the tests
    for stream, target in zip(streams, (0, 1, 2), strict=True):
        os.dup2(stream, target)
        os.close(stream)
    os.environ.clear()
    os.environ.update(request["environment"])
    if "AWS_DATA_PATH" in os.environ:
        _forget()
    if os.environ.get("TZ"):
        time.tzset()
    # New ones: whether they can be sought was found out of what was there before.
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(
            open(number, "wb", closefd=False),  # noqa: SIM115 (a descriptor, open to the end)
            encoding="utf-8",
            errors=errors,
            write_through="PYTHONUNBUFFERED" in os.environ,
        )
        for number, errors in ((1, "strict"), (2, "backslashreplace"))
    )
    os.chdir(request["folder"])
    if request["dies_at"]:
        from batchrun.points import Point  # noqa: PLC0415
        from tests.crash.killer import lay_in_wait  # noqa: PLC0415

        name, times = request["dies_at"]
        lay_in_wait(Point[name], times)
    if request["many"]:
        from tests.crash.killer import call_many  # noqa: PLC0415

        call_many(request["many"])
    if request["speed"] != 1:
        _hasten(request["speed"])
    sys.argv = ["batchrun", *request["arguments"]]
    try:
        main()
    except SystemExit as end:
        _end(end)


def _hasten(speed: float) -> None:
    """Have the time of this process's event loops pass so many times as fast."""
    time_of, select_of = asyncio.BaseEventLoop.time, selectors.DefaultSelector.select

    def select(self: selectors.DefaultSelector, timeout: float | None = None) -> Any:
        return select_of(self, timeout and timeout / speed)

    asyncio.BaseEventLoop.time = lambda self: time_of(self) * speed  # type: ignore[method-assign]
    selectors.DefaultSelector.select = select  # type: ignore[method-assign]


def _end(end: SystemExit) -> None:
    """
    End this process as Python does, but for taking apart what it shares with the nursery.

    That would touch, and so copy, all of it: four fifths of what a short command costs.
    """
    if end.code is None or isinstance(end.code, int):
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit((end.code or 0) & 0xFF)
    raise end


def _rehearse() -> None:
    """
    Carry a batch out in this process, with commands that tests type often.

    Much is read or worked out but once, as what AWS says of its services, and Python is faster where it
    has been before: each process would else do that again, a quarter of what a short launch costs.
    """
    import structlog  # noqa: PLC0415
    from anyio.from_thread import start_blocking_portal  # noqa: PLC0415
    from click.testing import CliRunner  # noqa: PLC0415

    from batchrun.cli.main import cli  # noqa: PLC0415
    from batchrun.cli.verbs.config import aws_values  # noqa: PLC0415
    from batchrun.simulator import Settings, serve  # noqa: PLC0415

    keys = {"AWS_ACCESS_KEY_ID": "KEY", "AWS_SECRET_ACCESS_KEY": "SECRET", "AWS_REGION": "us-east-1"}
    manifest = (
        "m.csv --set workflowId=1 --set roleArn=arn:aws:iam::123456789012:role/x --set outputUri=s3://lab/"
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(serve(Settings(time_scale=1e-6))) as simulator,
    ):
        Path("m.csv").write_text("id,parameters.x\na,1\nb,2\n")
        at = {"AWS_ENDPOINT_URL": simulator.url, "AWS_CONFIG_FILE": os.devnull}
        commands = (
            f"run {manifest} --poll-interval 0.1s --results s3://lab/m.csv",
            f"plan {manifest}",
            "status",
            "show a",
        )
        for words in commands:
            CliRunner(env=keys | at).invoke(cli, words.split(), catch_exceptions=False)
    structlog.reset_defaults()
    aws_values.cache_clear()
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join()  # a process is forked as it is for this thread alone


def _forget() -> None:
    """Have this process read anew what it has kept: it is told of another model than was rehearsed with."""
    for name, module in list(sys.modules.items()):
        if name.startswith("batchrun."):
            for kept in vars(module).values():
                if isinstance(kept, functools._lru_cache_wrapper):
                    kept.cache_clear()


def _serve(mine: socket.socket) -> None:
    import batchrun  # noqa: PLC0415
    from tests.new_ledgers import quicken  # noqa: PLC0415

    for module in pkgutil.walk_packages(batchrun.__path__, "batchrun."):
        if not module.name.endswith(("__main__", "workbook_rows")):
            importlib.import_module(module.name)
    _rehearse()
    quicken()
    gc.collect()
    gc.freeze()
    while True:
        head, streams, *_ = socket.recv_fds(mine, _HEAD.size, 3)
        if not head:
            return
        request = json.loads(_read(mine, _HEAD.unpack(head)[0]))
        if "poll" in request:
            pid, status = os.waitpid(request["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        elif "stopped" in request:
            os.waitid(os.P_PID, request["stopped"], os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            answer = None
        elif (answer := os.fork()) == 0:
            mine.close()
            _be_born(request, streams)
            return
        for stream in streams:
            os.close(stream)
        mine.sendall(_ANSWER.pack(answer is not None, answer or 0))


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
