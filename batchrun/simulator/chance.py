"""Reproducible chance: each draw is a digest of the seed and of what it is drawn for.

A draw depends only on its arguments, so that concurrency cannot change what happens to a run.
"""

from __future__ import annotations

from hashlib import blake2b
from uuid import UUID

_WIDTH = 16


def _digest(parts: tuple[object, ...]) -> bytes:
    text = "\x1f".join(map(str, parts))
    return blake2b(text.encode(errors="surrogatepass"), digest_size=_WIDTH).digest()


def draw(*parts: object) -> float:
    """Draw from [0, 1), the same number for the same *parts*."""
    # A float has 53 bits; one more could round up to 1.0.
    return (int.from_bytes(_digest(parts)[:7]) >> 3) / (1 << 53)


def draw_uuid(*parts: object) -> str:
    """Draw a version 4 UUID, the same for the same *parts*."""
    return str(UUID(bytes=_digest(parts), version=4))
