"""AWS's own files, as people have them, and the helpers that they name."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

KEYS = {"Version": 1, "AccessKeyId": "AKIAHELPERHELPER", "SecretAccessKey": "s3cret", "SessionToken": "t0ken"}
#: Seconds that credentials last which soon end: more than a machine takes for a test.
SHORT = 590


class Files:
    """A home with AWS's files in it, in place of the machine's own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.config = folder / "config"
        self.credentials = folder / "credentials"
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("HOME", str(folder))
        monkeypatch.setenv("AWS_CONFIG_FILE", str(self.config))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(self.credentials))

    def write(self, config: str, credentials: str = "") -> None:
        self.config.write_text(config.replace("@HERE@", str(self.folder)), encoding="utf-8")
        self.credentials.write_text(credentials, encoding="utf-8")

    def helper(self, script: str, profile: str = "lab") -> None:
        """Make *profile* one with a helper, which is this shell script."""
        path = self.folder / "helper"
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)
        self.write(f"[profile {profile}]\ncredential_process = {path}\n")

    def runs(self) -> int:
        """Say how often a helper that calls this wrote a line into ``runs``."""
        path = self.folder / "runs"
        return len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0


def printing(seconds: float | None = None, **changes: object) -> str:
    """Return a shell command that prints credentials, which last so many *seconds* from now."""
    said = {**KEYS, **changes}
    if seconds is not None:
        said["Expiration"] = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
    return f"echo '{json.dumps(said)}'"


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
