"""
The boto3 client that peers share, made as its documentation says.

Belongs here: the client. Does not: what is done with it.
"""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

#: botocore's default: enough for a look, which is taken again anyway.
DEFAULT = 3
#: For what must not fail: the default gives up as soon as it is throttled in earnest.
PATIENT = 10


def omics(url: str, *, mode: str, threads: int, attempts: int = PATIENT) -> Any:
    retries: Any = {"mode": mode, "total_max_attempts": attempts}
    config = Config(
        retries=retries,
        max_pool_connections=threads,
        inject_host_prefix=False,
    )
    return boto3.client("omics", endpoint_url=url, config=config)
