"""
Submits rows with boto3 in threads: ``python -m tests.bench.peers.boto3_submit URL ROWS MODE THREADS``.

As one writes it in an hour: botocore's own retries, and once more from the start for what they give up on.
"""

from __future__ import annotations

import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError

from tests.bench.cohort import request
from tests.bench.peers.client import omics

_AGAIN = 200
_PAUSE = 1.0


def submit(client: Any, number: int) -> None:
    for _ in range(_AGAIN):
        try:
            client.start_run(**request(number))
        except ClientError as error:
            if error.response["Error"]["Code"] != "ThrottlingException":
                raise
            time.sleep(random.uniform(0.5, 1.5) * _PAUSE)
        else:
            return
    raise SystemExit(f"row {number} was throttled too often")


def main(url: str, rows: str, mode: str, threads: str) -> None:
    client = omics(url, mode=mode, threads=int(threads))
    with ThreadPoolExecutor(int(threads)) as pool:
        for submitted in [pool.submit(submit, client, number) for number in range(int(rows))]:
            submitted.result()


if __name__ == "__main__":
    main(*sys.argv[1:])
