"""
Where and with what the figures were made.

Belongs here: facts about the machine and the versions. Does not: anything that is measured.
"""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.bench.processes import ROOT

_PACKAGES = ("botocore", "aiobotocore", "boto3", "aiohttp", "apsw")
_CPUINFO = Path("/proc/cpuinfo")


def describe(command: str, repeats: int) -> str:
    """Return the lines above the tables; to be called before anything is measured, for the load's sake."""
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"Made by `{command}` on {datetime.now(UTC):%Y-%m-%d}, at commit {_commit()}: medians of {repeats}. "
        f"{os.cpu_count()} cores ({_model()}), {platform.system()} {platform.machine()}, load before it "
        f"{os.getloadavg()[0]:.1f}; {platform.python_implementation()} {platform.python_version()}; "
        f"{versions}.\n\n"
        "Each simulator is a process of its own, fresh for each measurement. A ratio is batchrun's figure "
        "over the peer's."
    )


def _model() -> str:
    if _CPUINFO.exists():
        lines = _CPUINFO.read_text(encoding="utf-8").splitlines()
        models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        if models:
            return models[0]
    return platform.processor() or "unknown"


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return told.stdout.strip() or "unknown"
