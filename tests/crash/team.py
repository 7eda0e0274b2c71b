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
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.crash.harness import AWS, Process, ServedApart, Victim
from tests.postgres.server import Server, gone, started

LEASE = 3.0
FAULTS = "StartRun:drop_after=0.05,StartRun:error_after=0.05,*:throttle=0.02,GetRun:drop_before=0.02"
LAUNCHERS = 3


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
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            near, _ = self._socket.accept()
            threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        far = socket.socket(socket.AF_UNIX)
        self.is_whole.wait()
        try:
            far.connect(self._server)
        except OSError:
            near.close()
            return
        for one, other in ((near, far), (far, near)):
            threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

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

    def __init__(self, folder: Path, served: ServedApart, server: Server, rows: int) -> None:
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
            options = ("--standby", "--lease", f"{LEASE}s", "--rate", "2", "--ledger", mine)
            self.victims.append(Victim(own, served, rows, *options))
        self.launchers: list[Process] = [victim.start() for victim in self.victims]

    def are_over(self) -> bool:
        return any(launcher.has_ended() for launcher in self.launchers)

    def disturb(self, chance: random.Random, server: Server) -> str:
        """Do one thing to one launcher, or to the server, and say what."""
        number = chance.randrange(LAUNCHERS)
        launcher, cable = self.launchers[number], self.cables[number]
        kind = chance.choice(["kill", "kill", "suspend", "suspend", "cut", "cut", "fast", "immediate"])
        match kind:
            case "kill":
                launcher.kill()
                self.launchers[number] = self.victims[number].start()
            case "suspend":
                os.kill(launcher.pid, signal.SIGSTOP)
                time.sleep(chance.uniform(0.5, 2) * LEASE)
                os.kill(launcher.pid, signal.SIGCONT)
            case "cut":
                cable.is_whole.clear()
                time.sleep(chance.uniform(0.5, 3) * LEASE)
                cable.is_whole.set()
            case _:
                server.stop(kind)
                time.sleep(chance.uniform(0, LEASE))
                server.start()
        return kind


def soak(disturbances: int, seed: int, rows: int = 300) -> tuple[Counter[str], int, int]:
    """Disturb so often, or until the batch is over, and judge; return what was done, faults and runs."""
    chance = random.Random(seed)
    done: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(dir="/tmp") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)  # the server may be run by another user
        server = started(folder / "pg")
        stack.callback(gone, server)
        served = ServedApart(folder / "served", FAULTS, "--seed", str(seed))
        stack.callback(served.stop)
        team = Team(folder, served, server, rows)
        while sum(done.values()) < disturbances and not team.are_over():
            time.sleep(chance.uniform(0.5, LEASE))
            done[team.disturb(chance, server)] += 1
        codes = [launcher.wait() for launcher in team.launchers]
        assert codes == [0] * LAUNCHERS, [launcher.said()[-2000:] for launcher in team.launchers]
        judged = {victim.judge() for victim in team.victims}
        checked = Process(folder, ["ledger", "verify", "--ledger", team.url], environment=AWS)
        assert checked.wait() == 0, checked.said()
        return done, served.faults(), judged.pop()


if __name__ == "__main__":
    disturbances, seed = int(sys.argv[1]), int(sys.argv[2])
    done, faults, runs = soak(disturbances, seed)
    what = ", ".join(f"{count} {kind}" for kind, count in sorted(done.items()))
    sys.stdout.write(
        f"seed {seed}: {what}; {faults} faults; {runs} runs, one for each row, all in agreement\n"
    )
