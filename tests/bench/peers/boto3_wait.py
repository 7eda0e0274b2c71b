"""
Watches runs by boto3's own waiter: ``python -m tests.bench.peers.boto3_wait URL RESULTS THREADS DELAY``.

A ``run_completed`` waiter for each run, in a pool of threads. By itself it looks every 30 s and gives up
after 20 looks; and it knows no CANCELLED, which no run here comes to.
"""

from __future__ import annotations

import csv
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import WaiterError

from tests.bench.peers.client import omics

_LOOKS = 100
_AGAIN = 200


def wait(client: Any, run_id: str, delay: float) -> None:
    waiter = client.get_waiter("run_completed")
    for _ in range(_AGAIN):
        try:
            waiter.wait(id=run_id, WaiterConfig={"Delay": delay, "MaxAttempts": _LOOKS})
        except WaiterError as error:
            if "ThrottlingException" not in str(error):
                raise
            time.sleep(random.uniform(1, delay))
        else:
            return
    raise SystemExit(f"run {run_id} was throttled too often")


def main(url: str, results: str, threads: str, delay: str) -> None:
    with open(results, encoding="utf-8", newline="") as file:  # noqa: PTH123
        ids = [row["runId"] for row in csv.DictReader(file)]
    client = omics(url, mode="standard", threads=int(threads))
    with ThreadPoolExecutor(int(threads)) as pool:
        for waited in [pool.submit(wait, client, run_id, float(delay)) for run_id in ids]:
            waited.result()


if __name__ == "__main__":
    main(*sys.argv[1:])
