"""
What the manifest asks for: one StartRun request per row, in its canonical form.

Belongs here: the canonical text of a request, digests of it, the requestId made from it, and fields laid over
fields. Does not: reading or checking manifests (``manifest``), and what became of a spec (``entries.entry``).
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

#: Tags that name a run's place in its batch, set at creation, so that it can be found again without a ledger.
TAG_BATCH = "batchrun:batch"
TAG_ID = "batchrun:id"
TAG_ATTEMPT = "batchrun:attempt"
TAG_REQUEST_ID = "batchrun:request-id"
OWN_TAGS = (TAG_BATCH, TAG_ID, TAG_ATTEMPT, TAG_REQUEST_ID)
#: Fields that say what a run is called and where its outputs go, not what it computes.
NOT_WORK: Final = frozenset({"name", "outputUri", "outputUriPrefixMode", "tags"})
#: Stands for parameters that a file in S3 holds: its content is not known here.
IN_A_FILE: Final[dict[str, Json]] = {"": "parametersUri"}
_WORK_SIZE: Final = 16
#: Run names that we make: what the console takes, one less than the API.
_LONGEST_NAME: Final = 127
_SHORT_HASH: Final = 8
#: Made once: to make one for each text takes as long as the text.
_CANONICAL: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One row of a manifest, expanded and checked."""

    id: str  #: the user's key, unique in the batch
    position: int  #: 0-based place in the manifest; orders submission and results, identifies nothing
    #: :func:`canonical` StartRun request, without requestId and without our own tags; in a batch with lanes
    #: that of the preferred one.
    request: str
    #: :func:`work_of` it, before ``{batch}`` was filled in; None where that is not known.
    work: bytes | None = None
    offers: str | None = None  #: what it asks for in each lane (:mod:`lanes`); None in a batch without

    @property
    def content(self) -> str:
        """What is compared to see whether the row changed: its offers, or its request."""
        return self.request if self.offers is None else self.offers

    @property
    def digest(self) -> str:
        """A short form of that."""
        return digest(self.content)


def canonical(value: Json) -> str:
    """
    Return the one JSON text of a request, or of a field: sorted keys, no spaces, non-ASCII as it is.

    Raises:
        ValueError: A number is NaN or infinite.
    """
    return _CANONICAL.encode(value)


def joined(texts: Mapping[str, str]) -> str:
    """Return the canonical text of the request whose fields have these, so that each is encoded once."""
    return "{" + ",".join([f'"{name}":{texts[name]}' for name in sorted(texts)]) + "}"


def asked_parameters(request: Mapping[str, Json]) -> Json:
    """Return the parameters that *request* asks for; of a file in S3 only that it is one. None for none."""
    return IN_A_FILE if request.get("parametersUri") else request.get("parameters") or None


def merged(under: dict[str, Json], over: dict[str, Json]) -> dict[str, Json]:
    """Lay one table over another: tables within merge, anything else is replaced."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            result[key] = merged(below, value)
        else:
            result[key] = value
    return result


def default_name(batch: str, entry_id: str) -> str:
    """Return ``{batch}-{id}``; cut where the console would not take it, and then still its own."""
    name = f"{batch}-{entry_id}"
    if len(name) <= _LONGEST_NAME:
        return name
    # An id with half of a surrogate pair comes this far too: it was reported, and reading continues.
    end = hashlib.sha256(name.encode(errors="replace")).hexdigest()[:_SHORT_HASH]
    return f"{name[: _LONGEST_NAME - _SHORT_HASH - 1]}-{end}"


def named(request: str) -> str | None:
    """Return the name that a canonical request gives its run."""
    name = json.loads(request).get("name")
    return name if isinstance(name, str) else None


def digest(request: str) -> str:
    """Return the SHA-256 of a canonical request, in hex."""
    return hashlib.sha256(request.encode()).hexdigest()


def work_of(texts: Mapping[str, str]) -> bytes:
    """
    Return a digest, 16 bytes, of the work that a request asks for, of the canonical *texts* of its fields.

    Rows that differ in :data:`NOT_WORK` alone would compute the same once more.
    """
    work = {name: text for name, text in texts.items() if name not in NOT_WORK}
    return hashlib.sha256(joined(work).encode()).digest()[:_WORK_SIZE]


@functools.lru_cache(maxsize=1024)  # asked for to record, send and tag the same attempt
def request_id(batch: str, entry_id: str, attempt: int, request: str, lane: str | None = None) -> str:
    """
    Return the requestId of one attempt, 1 for the first: 64 hex digits, the same everywhere at any time.

    In a batch without lanes *lane* is None, and requestIds are as they were before lanes.
    """
    # As the list is encoded: text by text it takes half the time, and every row of results needs one.
    end = "" if lane is None else f",{canonical(lane)}"
    identity = f"[{canonical(batch)},{canonical(entry_id)},{attempt},{canonical(request)}{end}]"
    return hashlib.sha256(identity.encode()).hexdigest()


class Specs:
    """Rows that may be gone through again and again, as who has to repeat a transaction does."""

    def __init__(self, again: Callable[[], Iterator[Spec]]) -> None:
        self._again = again

    def __iter__(self) -> Iterator[Spec]:
        return self._again()
