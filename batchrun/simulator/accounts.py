"""
Several accounts and Regions in one process, and which of them a call is for.

AWS knows the account by the key that signed a call, and the Region by the address. Here a *door* is an
address: one that leads to a single lane is that lane's Region, and keys that nobody knows are taken for its
user's; at one that leads to several, the signature's Region tells them apart. Keys of a role lead to the
role's account, wherever they are used.

What belongs here: finding whose a call is. What does not: sockets (``http``), one account's service
(``server``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from batchrun.clock import Clock
from batchrun.simulator.identities import FORM, PORTAL, Identities
from batchrun.simulator.refusal import RefusalError
from batchrun.simulator.s3 import Storage
from batchrun.simulator.server import Simulator
from batchrun.simulator.settings import Settings
from batchrun.simulator.wire import Ending, Inquiry, Signature, json_reply


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedLane:
    """An account and a Region to serve, by the name of a lane."""

    name: str
    settings: Settings  #: its account and Region; keys, roles and buckets are the first lane's, for all
    caller: str | None = None  #: whose unknown keys are; None for its own account's
    port: int | None = None  #: of a door of its own; 0 for any free one, None where it has none


class Accounts:
    """Every account and Region there is, each with runs, quotas, paces and faults of its own."""

    def __init__(self, lanes: Sequence[SimulatedLane], clock: Clock) -> None:
        """Open those of *lanes*; the others are opened at the first call with their keys."""
        self._clock = clock
        self._identities = Identities(lanes[0].settings)
        self._storage = Storage(lanes[0].settings.storage)
        self._services: dict[tuple[str, str], Simulator] = {}
        for lane in lanes:
            self.of(lane)

    def of(self, lane: SimulatedLane) -> Simulator:
        """Return the service of a lane; two of one account and Region have the same."""
        return self.at(lane.settings.account, lane.settings)

    def at(self, account: str, settings: Settings) -> Simulator:
        """Return the service of *account* in the Region of *settings*, behaving as they say."""
        where = account, settings.region
        if where not in self._services:
            # Another account's runs have uuids of their own.
            seed = settings.seed if account == settings.account else f"{settings.seed}/{account}"
            self._services[where] = Simulator(
                replace(settings, account=account, seed=seed),
                self._clock,
                identities=self._identities,
                storage=self._storage,
            )
        return self._services[where]

    def owner(self, inquiry: Inquiry) -> str | None:
        """Return the account whose keys signed a call; None where they are unknown."""
        signed = inquiry.signature
        return None if signed is None else self._identities.account(signed.access_key)


class Door:
    """An address, and the lanes that it leads to."""

    def __init__(self, accounts: Accounts, lanes: Sequence[SimulatedLane]) -> None:
        self.url = ""  #: once it is open
        self.lanes = lanes
        self._accounts = accounts
        self._urls: Mapping[str, str] = {}

    def tell(self, urls: Mapping[str, str]) -> None:
        """Let it say where each lane has a door of its own."""
        self._urls = urls

    def next_request_id(self) -> str:
        """Make the id of an answer."""
        return self._accounts.of(self.lanes[0]).next_request_id()

    def refuse(self, error: RefusalError) -> Ending:
        """Answer with an error before a call is known."""
        return self._accounts.of(self.lanes[0]).refuse(error)

    async def answer(self, inquiry: Inquiry) -> Ending:
        """Answer one HTTP request."""
        try:
            if inquiry.path.startswith("/_simulator/"):
                return await self._introspect(inquiry)
            return await self._meant(inquiry).answer(inquiry)
        except RefusalError as error:
            return self.refuse(error)

    async def _introspect(self, inquiry: Inquiry) -> Ending:
        """Answer about the lane that is here, whoever asks."""
        if len(self.lanes) == 1:
            return await self._accounts.of(self.lanes[0]).answer(inquiry)
        if inquiry.path != "/_simulator/lanes":
            raise RefusalError(
                "UnknownOperationException", "each lane's own door tells that; /_simulator/lanes names them"
            )
        return Ending(reply=json_reply({lane.name: self._urls[lane.name] for lane in self.lanes}))

    def _meant(self, inquiry: Inquiry) -> Simulator:
        """Find the service that a call is for. Raises RefusalError where that is unknown."""
        here = self._nearest(inquiry.signature)
        if inquiry.content_type == FORM or inquiry.path == PORTAL:
            return self._accounts.of(here[0])  # they answer everybody
        account = self._accounts.owner(inquiry) or _usual_caller(here)
        own = [lane for lane in here if lane.settings.account == account]
        return self._accounts.at(account, (own or here)[0].settings)

    def _nearest(self, signed: Signature | None) -> Sequence[SimulatedLane]:
        """Return the lanes in the Region that a call is for; all where it is for none of theirs."""
        here = [lane for lane in self.lanes if signed is not None and lane.settings.region == signed.region]
        if not here and signed is not None and signed.service == "omics" and len(self.lanes) > 1:
            raise RefusalError("UnrecognizedClientException", f"no lane is in {signed.region}")
        return here or self.lanes


def _usual_caller(lanes: Sequence[SimulatedLane]) -> str:
    accounts = {lane.caller or lane.settings.account for lane in lanes}
    if len(accounts) > 1:
        names = ", ".join(lane.name for lane in lanes)
        raise RefusalError(
            "UnrecognizedClientException",
            f"whose keys these are is not known, and lanes of several accounts are in this Region ({names}): "
            "use the door that each has of its own",
        )
    return accounts.pop()
