"""Looking at places in S3: the real client against the simulator, over a real socket, in virtual time."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from batchrun.clock import VirtualClock
from batchrun.errors import CallError, CredentialsError, OutcomeUnknownError
from batchrun.model.paces.rates import AUTO, Rate
from batchrun.ports.objects import InputPlace, PlaceKind, Sight
from batchrun.service.login import Login
from batchrun.service.s3.input_lookup import InputLookup
from batchrun.service.s3.object_calls import object_calls
from batchrun.service.target import Target
from batchrun.simulator import Simulator, StoredBucket, StoredObject, serve
from tests.world import simulated

PLAIN = StoredObject()
MANY = {f"many/{number:05}.fq": PLAIN for number in range(12_000)}
BUCKETS = (
    StoredBucket(
        name="lab",
        objects={
            "there": PLAIN,
            "a b+c.fq": PLAIN,
            "cold": StoredObject(storage_class="DEEP_ARCHIVE"),
            "glacier": StoredObject(storage_class="GLACIER"),
            "instant": StoredObject(storage_class="GLACIER_IR"),
            "back": StoredObject(storage_class="GLACIER", restore='ongoing-request="false", expiry-date="x"'),
            "coming": StoredObject(storage_class="GLACIER", restore='ongoing-request="true"'),
            "tier": StoredObject(storage_class="INTELLIGENT_TIERING"),
            "tier-cold": StoredObject(
                storage_class="INTELLIGENT_TIERING", archive_status="DEEP_ARCHIVE_ACCESS"
            ),
            "tier-coming": StoredObject(
                storage_class="INTELLIGENT_TIERING",
                archive_status="ARCHIVE_ACCESS",
                restore='ongoing-request="true"',
            ),
            "marker/": PLAIN,
            "full/": PLAIN,
            "full/x_1.fq": PLAIN,
            "full/odd[1]": PLAIN,
            "full/deep/y.fq": PLAIN,
            **MANY,
        },
    ),
    StoredBucket(name="pays", objects={"x": PLAIN}, requester_pays=True),
    StoredBucket(name="far", objects={"x": PLAIN}, region="eu-west-1"),
    StoredBucket(name="blind", objects={"x": PLAIN}, may_list=False),
    StoredBucket(name="closed", objects={"x": PLAIN}, may_read=False),
)


@dataclass
class World:
    simulator: Simulator
    looker: InputLookup
    sent: dict[str, int]
    seen: dict[str, Sight] = field(default_factory=dict)

    async def look(self, *uris: str, pays: bool = False) -> list[Sight]:
        places = [place(uri, pays=pays) for uri in uris]
        await self.looker.look_at(iter(places), self.saw)
        return [self.seen[uri] for uri in uris]

    def saw(self, place: InputPlace, sight: Sight) -> None:
        assert place.uri not in self.seen
        self.seen[place.uri] = sight


def place(uri: str, *, pays: bool = False) -> InputPlace:
    kind = (
        PlaceKind.PATTERN
        if set(uri) & set("*?[{")
        else PlaceKind.PREFIX
        if uri.count("/") < 3 or uri[-1] == "/"
        else PlaceKind.OBJECT
    )
    return InputPlace(kind=kind, uri=uri, pays=pays)


@asynccontextmanager
async def world(
    monkeypatch, faults: str = "", *, rate: Rate = AUTO, buckets: Sequence[StoredBucket] = BUCKETS
) -> AsyncIterator[World]:
    clock = VirtualClock()
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    async with serve(simulated(faults, storage=tuple(buckets)), clock=clock) as simulator:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", simulator.url)
        async with object_calls(Login(Target()), rate=rate, clock=clock, rng=random.Random(1)) as calls:
            yield World(simulator, InputLookup(calls), calls.sent)


@pytest.mark.long
@pytest.mark.parametrize(
    ("uri", "sight"),
    [
        ("s3://lab/there", Sight.THERE),
        ("s3://lab/a b+c.fq", Sight.THERE),
        ("s3://lab/gone", Sight.MISSING),
        ("s3://lab/there ", Sight.MISSING),
        ("s3://lab/" + "k" * 1025, Sight.MISSING),
        ("s3://lab/cold", Sight.ARCHIVED),
        ("s3://lab/glacier", Sight.ARCHIVED),
        ("s3://lab/instant", Sight.THERE),
        ("s3://lab/back", Sight.THERE),
        ("s3://lab/coming", Sight.RESTORING),
        ("s3://lab/tier", Sight.THERE),
        ("s3://lab/tier-cold", Sight.ARCHIVED),
        ("s3://lab/tier-coming", Sight.RESTORING),
        ("s3://lab/marker/", Sight.EMPTY),
        ("s3://lab/full/", Sight.THERE),
        ("s3://lab/none/", Sight.EMPTY),
        ("s3://lab", Sight.THERE),
        ("s3://lab/", Sight.THERE),
        ("s3://lab/full/*.fq", Sight.THERE),
        ("s3://lab/full/*_{1,2}.fq", Sight.THERE),
        ("s3://lab/full/odd[1]", Sight.THERE),
        ("s3://lab/full/*.bam", Sight.UNMATCHED),
        ("s3://lab/zzz*", Sight.UNMATCHED),
        ("s3://lab/many/11*.fq", Sight.THERE),
        ("s3://lab/many/*.bam", Sight.TOO_MANY),
        ("s3://pays/x", Sight.HIDDEN),
        ("s3://pays/", Sight.HIDDEN),
        ("s3://far/x", Sight.THERE),
        ("s3://far/y", Sight.MISSING),
        ("s3://far/*", Sight.THERE),
        ("s3://blind/x", Sight.THERE),
        ("s3://blind/y", Sight.HIDDEN),
        ("s3://blind/", Sight.HIDDEN),
        ("s3://blind/*.fq", Sight.HIDDEN),
        ("s3://closed/x", Sight.DENIED),
        ("s3://nobody/x", Sight.NO_BUCKET),
        ("s3://nobody/x/", Sight.NO_BUCKET),
        ("s3://No_Bucket_Of_Ours/x", Sight.NO_BUCKET),
    ],
)
async def test_what_is_seen_of_a_place(uri, sight, monkeypatch):
    async with world(monkeypatch) as at:
        assert await at.look(uri) == [sight]


async def test_who_pays_is_told_only_where_the_row_says_so(monkeypatch):
    async with world(monkeypatch) as at:
        assert await at.look("s3://pays/x", "s3://pays/", "s3://pays/y", pays=True) == [
            *(Sight.THERE, Sight.THERE, Sight.MISSING)
        ]


async def test_buckets_say_where_they_are(monkeypatch):
    async with world(monkeypatch) as at:
        await at.look("s3://lab/there", "s3://far/x", "s3://blind/x", "s3://nobody/x")
        told = {name: (bucket.region, bucket.may_list) for name, bucket in at.looker.buckets.items()}
        assert told == {
            "lab": ("us-east-1", True),
            "far": ("eu-west-1", True),
            "blind": ("us-east-1", False),
            "nobody": (None, False),
        }


async def test_a_bucket_is_asked_once_and_each_place_once(monkeypatch):
    async with world(monkeypatch) as at:
        uris = [f"s3://lab/many/{number:05}.fq" for number in range(600)]
        assert set(await at.look(*uris)) == {Sight.THERE}
        assert at.sent == {"HeadObject": 600, "ListObjectsV2": 1}
        assert at.simulator.state().calls["HeadObject"].calls == 600


async def test_a_bucket_that_hides_much_is_asked_a_few_times(monkeypatch):
    async with world(monkeypatch) as at:
        assert set(await at.look(*(f"s3://blind/{number}" for number in range(200)))) == {Sight.HIDDEN}
        assert at.sent["ListObjectsV2"] <= 4


async def test_what_passes_by_itself_is_waited_for(monkeypatch):
    heads = "HeadObject:SlowDown=3x,HeadObject:error_before=2x,HeadObject:drop_before=2x"
    faults = f"{heads},ListObjectsV2:SlowDown=2x"
    async with world(monkeypatch, faults) as at:
        uris = [f"s3://lab/many/{number:05}.fq" for number in range(50)]
        assert set(await at.look(*uris)) == {Sight.THERE}
        assert at.simulator.state().calls["HeadObject"].calls == 57


async def test_a_rate_is_kept(monkeypatch):
    async with world(monkeypatch, rate=Rate(most=20)) as at:
        begun = at.simulator._clock.monotonic()
        await at.look(*(f"s3://lab/many/{number:05}.fq" for number in range(100)))
        assert at.simulator._clock.monotonic() - begun == pytest.approx(5, abs=0.5)


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidAccessKeyId"])
async def test_a_login_that_is_lost_on_the_way_ends_it(code, monkeypatch):
    faults = f"HeadObject:pass=40x,HeadObject:{code},ListObjectsV2:pass=1x,ListObjectsV2:{code}"
    async with world(monkeypatch, faults) as at:
        with pytest.raises(CredentialsError) as caught:
            await at.look(*(f"s3://lab/many/{number:05}.fq" for number in range(5000)))
        assert caught.value.code == code
        assert 40 <= len(at.seen) <= 100


async def test_a_login_that_is_lost_among_the_last_is_not_taken_for_a_refusal(monkeypatch):
    faults = (
        "HeadObject:AccessDenied=1x,HeadObject:ExpiredToken,ListObjectsV2:pass=2x,ListObjectsV2:ExpiredToken"
    )
    async with world(monkeypatch, faults) as at:
        with pytest.raises(CredentialsError):
            await at.look("s3://lab/there", "s3://lab/cold")


@pytest.mark.long
@pytest.mark.parametrize("fault", ["drop_before", "SlowDown", "unavailable_before", "hang_before"])
async def test_s3_that_does_not_answer_ends_it(fault, monkeypatch):
    async with world(monkeypatch, f"HeadObject:pass=10x,HeadObject:{fault}") as at:
        with pytest.raises(OutcomeUnknownError):
            await at.look(*(f"s3://lab/many/{number:05}.fq" for number in range(100)))
        assert len(at.seen) == 10


@pytest.mark.parametrize("fault", ["html_after", "empty_after", "truncated_after"])
async def test_half_a_listing_is_none(fault, monkeypatch):
    async with world(monkeypatch, f"ListObjectsV2:{fault}") as at:
        with pytest.raises(CallError):
            await at.look("s3://lab/full/")
