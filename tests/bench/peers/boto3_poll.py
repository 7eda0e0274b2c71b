"""
Watches runs by GetRun for each: ``python -m tests.bench.peers.boto3_poll URL RESULTS THREADS SECONDS``.

Goes round all runs that are open, every 10 s or as fast as the quota goes, until all have ended or the
seconds are over. RESULTS is the CSV that ``batchrun run --detach`` left. Says each end on stdout.
"""

from __future__ import annotations

import csv
import json
import random
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError

from tests.bench.peers.client import DEFAULT, omics

_EVERY = 10.0
_PAUSE = 1.0
_ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED", "DELETED"})


class Watch:
    """Runs by their rows, as far as they are open."""

    def __init__(self, client: Any, rows: Iterable[dict[str, str]], until: float) -> None:
        self._client = client
        self._until = until
        self.open = {row["id"]: row["runId"] for row in rows}

    @property
    def is_over(self) -> bool:
        return not self.open or time.monotonic() >= self._until

    def look(self, id: str) -> None:
        if self.is_over:
            return
        try:
            status = self._client.get_run(id=self.open[id])["status"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ThrottlingException":
                raise
            time.sleep(random.uniform(0.5, 1.5) * _PAUSE)
            return  # the next round looks again
        if status in _ENDED:
            del self.open[id]
            sys.stdout.write(json.dumps({"id": id, "at": time.time()}) + "\n")


def main(url: str, results: str, threads: str, seconds: str) -> None:
    with open(results, encoding="utf-8", newline="") as file:  # noqa: PTH123
        rows = list(csv.DictReader(file))
    client = omics(url, mode="standard", threads=int(threads), attempts=DEFAULT)
    watch = Watch(client, rows, time.monotonic() + float(seconds))
    with ThreadPoolExecutor(int(threads)) as pool:
        while not watch.is_over:
            begun = time.monotonic()
            list(pool.map(watch.look, list(watch.open)))
            if not watch.is_over:
                time.sleep(max(0.0, begun + _EVERY - time.monotonic()))


if __name__ == "__main__":
    main(*sys.argv[1:])
