"""Lanes: the accounts and regions that the rows of a batch may run in, and what a row asks for in each.

A row's *content* is one text: the canonical request if the batch has no lanes, else its *offers*, a canonical
list of ``[lane, request]``, the preferred lane first. A *closed* offer, ``[lane, request, 0]``, is kept for a
retry that opens it. The lane of an attempt is chosen from its open offers when its intent is recorded, and
then stays.

A run's ARN has the account and the region that it is in.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchrun.model.spec import canonical, named

if TYPE_CHECKING:
    from batchrun.model.paces.rates import Rate
    from batchrun.model.texts.queue_names import QueueName


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """An account and a region, as the user gives them. None: as in the AWS configuration, or the launch's."""

    name: str
    region: str | None = None
    profile: str | None = None
    role: str | None = None  #: ARN of a role to assume, with the profile's credentials
    external_id: str | None = None  #: what the role's trust policy may ask for
    account: str | None = None  #: 12 digits; credentials of any other are refused
    endpoint_url: str | None = None
    max_active: int | None = None  #: active runs of the batch in this lane; None is no cap
    account_max_active: int | None = None  #: the same for all batches of the ledger in its account and region
    rate: Rate | None = None  #: StartRun calls per second
    read_rate: Rate | None = None  #: calls per second of each other operation
    wake: QueueName | None = None  #: the queue that gets messages about its runs
    batch_settings: str | None = None  #: ``s3://BUCKET/PREFIX/`` for the rows of large submissions

    @property
    def owner(self) -> str | None:
        """The account that its runs are in, if known; that of a role is in its ARN."""
        return self.account if self.role is None else self.role.split(":")[4]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a row asks for in one lane."""

    lane: str
    request: str  #: canonical StartRun request, as ``Spec.request``
    is_open: bool = True  #: False: closed until a retry rule opens it


def offers_text(offers: Sequence[Offer]) -> str:
    """Return the canonical text of *offers*, in their order."""
    return "[" + ",".join(_offer_text(offer) for offer in offers) + "]"


def _offer_text(offer: Offer) -> str:
    return f"[{canonical(offer.lane)},{offer.request}{'' if offer.is_open else ',0'}]"


def offers_of(content: str) -> tuple[Offer, ...]:
    """Parse a content into its offers; a request without lanes has none."""
    if not content.startswith("["):
        return ()
    return tuple(
        Offer(lane=lane, request=canonical(request), is_open=not closed)
        for lane, request, *closed in json.loads(content)
    )


@functools.lru_cache(maxsize=1024)  # called for the same row when it is queued, proven, sent and recorded
def lanes_of(content: str) -> tuple[str, ...]:
    """Return the lanes of a content's open offers, the preferred one first."""
    if not content.startswith("["):
        return ()
    return tuple(lane for lane, _request, *closed in json.loads(content) if not closed)


def first_request(content: str) -> str:
    """Return the request of the preferred lane, or the content itself if it has no lanes."""
    return next((offer.request for offer in offers_of(content) if offer.is_open), content)


def request_in(content: str, lane: str | None) -> str | None:
    """Return the request of a content in *lane*, also of a closed offer; None if there is none."""
    offers = offers_of(content)
    if not offers:
        return content if lane is None else None
    return next((offer.request for offer in offers if offer.lane == lane), None)


def names_of(content: str) -> frozenset[str | None]:
    """Return the names that runs of a content are started with, in all lanes."""
    requests = [offer.request for offer in offers_of(content)] or [content]
    return frozenset(named(request) for request in requests)


def or_home(lane: str | None, home: str | None) -> str | None:
    """Return where an attempt is: its *lane*, or *home* if it was sent before its batch had lanes."""
    return home if lane is None else lane


def or_home_alone(lanes: tuple[str, ...], home: str | None) -> tuple[str | None, ...]:
    """Return where an attempt may be: in each of its *lanes*, or in *home* where it has none."""
    return lanes or (home,)


def least_seconds(choices: Mapping[tuple[str, ...], int], rates: Mapping[str, float]) -> float:
    """Return a lower bound of the seconds to start all rows, however they are distributed over lanes.

    It is exact for two lanes, and if choices are nested. *choices*: rows by the lanes that they may take;
    *rates*: calls per second, above zero, by lane.
    """
    sets = {frozenset(lanes) for lanes in choices}
    sets |= {frozenset[str]().union(*sets)} if sets else set()
    return max((_seconds(within, choices, rates) for within in sets), default=0.0)


def _seconds(
    within: Collection[str], choices: Mapping[tuple[str, ...], int], rates: Mapping[str, float]
) -> float:
    """Return how long the rows take that may go only to these lanes."""
    rows = sum(count for lanes, count in choices.items() if frozenset(lanes) <= frozenset(within))
    return rows / sum(rates[lane] for lane in within)


_ARN: Final = re.compile(r"arn:[^:]+:omics:([^:]*):([0-9]{12}):.+", re.DOTALL)


def account_of(arn: str) -> str | None:
    """Return the account in an ARN of HealthOmics, or None."""
    return place_of(arn)[0]


def place_of(arn: str) -> tuple[str | None, str | None]:
    """Return the account and the region in an ARN of HealthOmics, each maybe None."""
    match = _ARN.fullmatch(arn)
    return (match[2], match[1] or None) if match else (None, None)
