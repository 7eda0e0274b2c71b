"""Other processes at a ledger, which talk line by line."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

_START = """
import asyncio, os, signal, sys
from batchrun.errors import LeaseLostError
from batchrun.ledger import open_ledger
from batchrun.model.planning.limits import Changed
from tests.ledger.samples import *

async def main():
    async with await open_ledger(sys.argv[1]) as ledger:
{body}

asyncio.run(main())
"""


class Process:
    """Another process at the ledger; talks line by line."""

    def __init__(self, place: Path, body: str) -> None:
        program = _START.format(body=textwrap.indent(textwrap.dedent(body), " " * 8))
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, place],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def says(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def tell(self) -> None:
        assert self._process.stdin
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def ends(self) -> int:
        return self._process.wait(30)

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


#: Holds a batch, and writes when it is told to.
HOLDER = """
held = await filled(ledger, "a", "b")
print("held", flush=True)
sys.stdin.readline()
try:
    await move(held, "a", intended())
    print("wrote", flush=True)
except LeaseLostError as error:
    print(error, flush=True)
"""
