"""
Launchers that stand by for one batch in one PostgreSQL: ``python -m tests.crash.team DISTURBANCES SEED``.

One of three after the other is killed, suspended past its lease, or cut off from the database by a proxy that
stops passing; the server is stopped fast, and immediately. Whatever happens, each row is run once, results
agree with what there is, and all launchers end with the batch's exit code.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg

from tests.crash.harness import AWS, Process, ServedApart, Victim
from tests.postgres.server import Server, gone, started

LEASE = 3.0
FAULTS = "StartRun:drop_after=0.05,StartRun:error_after=0.05,*:throttle=0.02,GetRun:drop_before=0.02"
LAUNCHERS = 3
#: What is done to a launcher, and for how many leases.
RESTS = {"kill": (0, 0), "suspend": (0.5, 2), "cut": (0.5, 3)}
OFTEN = tuple(RESTS)


class Cable:
    """The way of one launcher to the database, which can be cut: then nothing passes, and nobody is told."""

    def __init__(self, folder: Path, server: str) -> None:
        self._server = server
        self.is_whole = threading.Event()
        self.is_whole.set()
        folder.mkdir()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(folder / ".s.PGSQL.5432"))
        self._socket.listen(64)
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def close(self) -> None:
        """Take no more."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._accepting.join()

    def _accept(self) -> None:
        with self._socket, suppress(OSError):
            while True:
                near, _ = self._socket.accept()
                threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        with near, socket.socket(socket.AF_UNIX) as far, suppress(OSError):
            self.is_whole.wait()
            far.connect(self._server)
            back = threading.Thread(target=self._pass, args=(far, near), daemon=True)
            back.start()
            self._pass(near, far)
            back.join()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                self.is_whole.wait()
                other.sendall(data)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class Team:
    """Launchers, each in a folder and with a cable of its own."""

    def __init__(
        self, folder: Path, served: ServedApart, server: Server, rows: int, *, lease: float, rate: int
    ) -> None:
        url = server.make()
        where = urlsplit(url)
        host = parse_qs(where.query)["host"][0]
        self.cables = [Cable(folder / f"c{number}", f"{host}/.s.PGSQL.5432") for number in range(LAUNCHERS)]
        self.url = url
        self.victims: list[Victim] = []
        for number in range(LAUNCHERS):
            own = folder / f"host{number}"
            own.mkdir()
            mine = url.replace(host, str(folder / f"c{number}"))
            options = ("--standby", "--lease", f"{lease}s", "--rate", f"{rate}", "--ledger", mine)
            self.victims.append(Victim(own, served, rows, *options))
        self.launchers: list[Process] = [victim.start() for victim in self.victims]

    def are_over(self, but: int | None = None) -> bool:
        """Report whether one of them has ended, other than the one that was killed."""
        return any(one.has_ended() for number, one in enumerate(self.launchers) if number != but)

    def holding(self) -> tuple[int | None, int]:
        """Return the number of the launcher that has the batch, None where nobody has, and the last fence."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            holder, fence = connection.execute("SELECT holder, fence FROM leases").fetchall()[0]
        pids = [f"{launcher.pid}" for launcher in self.launchers]
        pid = (holder or "").rpartition(":")[2]
        return pids.index(pid) if pid in pids else None, fence

    def disturb(self, kind: str, number: int, server: Server, rest: Callable[[], None]) -> None:
        """Do one thing to a launcher, or to the server, which is over after a *rest*."""
        launcher, cable = self.launchers[number], self.cables[number]
        match kind:
            case "kill":
                launcher.kill()
                rest()
                self.launchers[number] = self.victims[number].start()
            case "suspend":
                os.kill(launcher.pid, signal.SIGSTOP)
                rest()
                os.kill(launcher.pid, signal.SIGCONT)
            case "cut":
                cable.is_whole.clear()
                rest()
                cable.is_whole.set()
            case _:
                server.stop(kind)
                rest()
                server.start()


@contextmanager
def at_work(
    seed: int, rows: int, *, lease: float, rate: int
) -> Iterator[tuple[Team, Server, ServedApart, Callable[[], int]]]:
    """Return a team, its server and service, and what sees it to the end, judges, and returns its runs."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)  # the server may be run by another user
        server = started(folder / "pg")
        stack.callback(gone, server)
        served = ServedApart(folder / "served", FAULTS, "--seed", str(seed))
        stack.callback(served.stop)
        team = Team(folder, served, server, rows, lease=lease, rate=rate)
        for cable in team.cables:
            stack.callback(cable.close)

        def judged() -> int:
            codes = [launcher.wait() for launcher in team.launchers]
            assert codes == [0] * LAUNCHERS, [launcher.said()[-2000:] for launcher in team.launchers]
            runs = {victim.judge() for victim in team.victims}
            checked = Process(folder, ["ledger", "verify", "--ledger", team.url], environment=AWS)
            assert checked.wait() == 0, checked.said()
            return runs.pop()

        yield team, server, served, judged


def soak(disturbances: int, seed: int, rows: int = 300) -> tuple[Counter[str], int, int]:
    """Disturb so often, or until the batch is over, and judge; return what was done, faults and runs."""
    chance = random.Random(seed)
    done: Counter[str] = Counter()
    with at_work(seed, rows, lease=LEASE, rate=2) as (team, server, served, judged):
        while sum(done.values()) < disturbances and not team.are_over():
            time.sleep(chance.uniform(0.5, LEASE))
            kind = chance.choice([*OFTEN, *OFTEN, "fast", "immediate"])
            seconds = chance.uniform(*RESTS.get(kind, (0, 1))) * LEASE
            team.disturb(kind, chance.randrange(LAUNCHERS), server, lambda: time.sleep(seconds))  # noqa: B023
            done[kind] += 1
        return done, served.faults(), judged()


def sample(seed: int, rows: int) -> tuple[list[str], int]:
    """
    Do each thing once to the launcher that has the batch, and go on when another has it.

    Nothing here goes by the clock: where the team is done with all rows sooner than this, it ends sooner.

    Returns:
        What was done, and the number of runs.
    """
    done: list[str] = []
    with at_work(seed, rows, lease=1.0, rate=5) as (team, server, served, judged):
        for kind in (*OFTEN, "immediate"):
            before = len(served.runs())
            until(lambda: len(served.runs()) > before or team.are_over(), "another run")  # noqa: B023
            number, fence = team.holding()
            if number is None or team.are_over():
                break

            def has_another() -> None:
                until(lambda: team.holding()[1] > fence or team.are_over(number), "another launcher")  # noqa: B023

            team.disturb(kind, number, server, has_another if kind in OFTEN else lambda: None)
            done.append(kind)
        return done, judged()


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for it, however long a busy machine takes."""
    give_up = time.monotonic() + 100
    while not condition():
        assert time.monotonic() < give_up, f"waited in vain for {what}"
        time.sleep(0.05)


if __name__ == "__main__":
    disturbances, seed = int(sys.argv[1]), int(sys.argv[2])
    done, faults, runs = soak(disturbances, seed)
    what = ", ".join(f"{count} {kind}" for kind, count in sorted(done.items()))
    sys.stdout.write(
        f"seed {seed}: {what}; {faults} faults; {runs} runs, one for each row, all in agreement\n"
    )
