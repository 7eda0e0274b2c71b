"""Several accounts and Regions in one process, and which of them a call is for.

AWS finds the account by the key that signed a call, and the Region by the address. Here a *door* is an
address. If it leads to one lane, it serves that lane's Region, and unknown keys count as its user's; if it
leads to several, the signature's Region decides between them. Keys of a role always belong to the role's
account.

What belongs here: finding the account and Region of a call. What does not: sockets (``http``), one account's
service (``server``).
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
    """An account and a Region to serve, under the name of a lane."""

    name: str
    settings: Settings  #: its account and Region; keys, roles and buckets: the first lane's hold for all
    caller: str | None = None  #: account that unknown keys belong to; None: the lane's own
    port: int | None = None  #: of a door of its own; 0: any free port, None: no own door


class Accounts:
    """All accounts and Regions, each with runs, quotas, rate limits and faults of its own."""

    def __init__(self, lanes: Sequence[SimulatedLane], clock: Clock) -> None:
        """Create the services of *lanes*; other accounts' are created at the first call with their keys."""
        self._clock = clock
        self._identities = Identities(lanes[0].settings)
        self._storage = Storage(lanes[0].settings.storage)
        self._services: dict[tuple[str, str], Simulator] = {}
        for lane in lanes:
            self.of(lane)

    def of(self, lane: SimulatedLane) -> Simulator:
        """Return the service of a lane; lanes of the same account and Region share one."""
        return self.at(lane.settings.account, lane.settings)

    def at(self, account: str, settings: Settings) -> Simulator:
        """Return the service of *account* in the Region of *settings*; a new one is created with these."""
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
        """Return the account whose keys signed a call; None if the call is unsigned or the key unknown."""
        signed = inquiry.signature
        return None if signed is None else self._identities.account(signed.access_key)


class Door:
    """An address, and the lanes that it leads to."""

    def __init__(self, accounts: Accounts, lanes: Sequence[SimulatedLane]) -> None:
        self.url = ""  #: set once it is open
        self.lanes = lanes
        self._accounts = accounts
        self._urls: Mapping[str, str] = {}

    def tell(self, urls: Mapping[str, str]) -> None:
        """Set the URL of each lane's own door."""
        self._urls = urls

    def next_request_id(self) -> str:
        """Return a new request id for an answer."""
        return self._accounts.of(self.lanes[0]).next_request_id()

    def refuse(self, error: RefusalError) -> Ending:
        """Return the error answer for a call that could not be read."""
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
        """Answer a request about the simulator itself; keys do not matter."""
        if len(self.lanes) == 1:
            return await self._accounts.of(self.lanes[0]).answer(inquiry)
        if inquiry.path != "/_simulator/lanes":
            raise RefusalError(
                "UnknownOperationException", "each lane's own door tells that; /_simulator/lanes names them"
            )
        return Ending(reply=json_reply({lane.name: self._urls[lane.name] for lane in self.lanes}))

    def _meant(self, inquiry: Inquiry) -> Simulator:
        """Find the service that a call is for. Raises RefusalError if it is unknown."""
        here = self._nearest(inquiry.signature)
        if inquiry.content_type == FORM or inquiry.path == PORTAL:
            return self._accounts.of(here[0])  # STS and the portal serve all accounts alike
        account = self._accounts.owner(inquiry) or _usual_caller(here)
        own = [lane for lane in here if lane.settings.account == account]
        return self._accounts.at(account, (own or here)[0].settings)

    def _nearest(self, signed: Signature | None) -> Sequence[SimulatedLane]:
        """Return the lanes in the Region that a call is for; all lanes if none is in it."""
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
