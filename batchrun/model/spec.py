"""A spec: what a row of a manifest asks for, as a canonical StartRun request.

Belongs here: the canonical text of a request, its digests and requestId, and merging fields. Does not:
reading or checking manifests (``manifest``), what became of a spec (``entries.entry``).
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

#: Tags of a run, set at creation, by which it can be found without a ledger.
TAG_BATCH = "batchrun:batch"
TAG_ID = "batchrun:id"
TAG_ATTEMPT = "batchrun:attempt"
TAG_REQUEST_ID = "batchrun:request-id"
OWN_TAGS = (TAG_BATCH, TAG_ID, TAG_ATTEMPT, TAG_REQUEST_ID)
#: Fields that do not change what a run computes.
NOT_WORK: Final = frozenset({"name", "outputUri", "outputUriPrefixMode", "tags"})
#: Stands for parameters in a file in S3, whose content is unknown.
IN_A_FILE: Final[dict[str, Json]] = {"": "parametersUri"}
_WORK_SIZE: Final = 16
#: The longest run name that we make: the console's limit, one less than the API's.
_LONGEST_NAME: Final = 127
_SHORT_HASH: Final = 8
#: Made once: making an encoder takes as long as encoding a text.
_CANONICAL: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One row of a manifest, expanded and checked."""

    id: str  #: the user's key, unique in the batch
    position: int  #: 0-based place in the manifest; the order of submission and results, not an identity
    #: :func:`canonical` StartRun request, without requestId and our own tags; with lanes, of the preferred
    #: one.
    request: str
    #: :func:`work_of` the request, before ``{batch}`` was filled in; None if unknown.
    work: bytes | None = None
    offers: str | None = None  #: its requests by lane (:mod:`lanes`); None in a batch without lanes

    @property
    def content(self) -> str:
        """What is compared to see whether the row has changed: its offers, or its request."""
        return self.request if self.offers is None else self.offers

    @property
    def digest(self) -> str:
        """The digest of the content."""
        return digest(self.content)


def canonical(value: Json) -> str:
    """Return the one JSON text of a request, or of a field: sorted keys, no spaces, non-ASCII as it is.

    Raises:
        ValueError: A number is NaN or infinite.
    """
    return _CANONICAL.encode(value)


def joined(texts: Mapping[str, str]) -> str:
    """Return the canonical text of a request from the canonical *texts* of its fields."""
    return "{" + ",".join([f'"{name}":{texts[name]}' for name in sorted(texts)]) + "}"


def asked_parameters(request: Mapping[str, Json]) -> Json:
    """Return the parameters of *request*, or :data:`IN_A_FILE`, or None."""
    return IN_A_FILE if request.get("parametersUri") else request.get("parameters") or None


def merged(under: dict[str, Json], over: dict[str, Json]) -> dict[str, Json]:
    """Return *under* with *over* merged into it: tables are merged, other values replaced."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            result[key] = merged(below, value)
        else:
            result[key] = value
    return result


def default_name(batch: str, entry_id: str) -> str:
    """Return ``{batch}-{id}``; cut to the console's limit with a hash at its end, so that it stays unique."""
    name = f"{batch}-{entry_id}"
    if len(name) <= _LONGEST_NAME:
        return name
    # "replace": an id with half of a surrogate pair was reported already, but reading continues.
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
    """Return a digest, 16 bytes, of what a request computes, from the canonical *texts* of its fields.

    Rows that differ only in :data:`NOT_WORK` compute the same.
    """
    work = {name: text for name, text in texts.items() if name not in NOT_WORK}
    return hashlib.sha256(joined(work).encode()).digest()[:_WORK_SIZE]


@functools.lru_cache(maxsize=1024)  # called to record, send and tag the same attempt
def request_id(batch: str, entry_id: str, attempt: int, request: str, lane: str | None = None) -> str:
    """Return the requestId of one attempt, 1 for the first: 64 hex digits, the same everywhere at any time.

    In a batch without lanes *lane* is None, and requestIds are as they were before lanes.
    """
    # What encoding the list would give, in half the time; every row of results needs one.
    end = "" if lane is None else f",{canonical(lane)}"
    identity = f"[{canonical(batch)},{canonical(entry_id)},{attempt},{canonical(request)}{end}]"
    return hashlib.sha256(identity.encode()).hexdigest()


class Specs:
    """Rows that can be iterated repeatedly, as retrying a transaction requires."""

    def __init__(self, again: Callable[[], Iterator[Spec]]) -> None:
        self._again = again

    def __iter__(self) -> Iterator[Spec]:
        return self._again()
