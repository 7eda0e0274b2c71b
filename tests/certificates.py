"""Certificates that nobody has signed but who shows them."""

from __future__ import annotations

import subprocess
from pathlib import Path


def certificate(folder: Path, host: str) -> tuple[str, str]:
    """Make a key and a certificate of *host*'s, signed by itself, and return both."""
    key, made = folder / f"{host}.key", folder / f"{host}.crt"
    # fmt: off
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2", "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}",
         "-keyout", str(key), "-out", str(made)],
        check=True, capture_output=True,
    )
    # fmt: on
    return key.read_text(), made.read_text()
