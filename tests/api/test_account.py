"""A batch stays in the account that has its runs: real client, ledger and simulators, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import apsw
import pytest
from structlog.testing import capture_logs

from batchrun import (
    UNLIMITED,
    Launch,
    Limits,
    Mode,
    ServiceUnusableError,
    Session,
    State,
    Target,
    UsageError,
    load_manifest,
    open_ledger,
)
from batchrun.clock import VirtualClock
from batchrun.model.paces.rates import Rate
from batchrun.model.planning.sweeps import Way
from batchrun.ports.stored import Batch
from batchrun.service.calling.caller import is_aws
from batchrun.simulator import Simulator, parse_faults, serve
from tests.world import SELDOM, simulated

SETS = ("workflowId=1234567", "roleArn=arn:aws:iam::1:role/x", "outputUri=s3://lab/{batch}/{id}/")
OURS, OTHERS = "123412341234", "222222222222"


class Lab:
    """A folder with one batch, and people who run it with this or that account."""

    def __init__(self, folder: Path, clock: VirtualClock) -> None:
        self.path = folder / "batchrun.db"
        self.clock = clock
        self._folder = folder

    @asynccontextmanager
    async def account(self, number: str, faults: str = "", **changes: Any) -> AsyncIterator[Simulator]:
        settings = replace(simulated(faults, **changes), account=number)
        async with serve(settings, clock=self.clock) as simulator:
            yield simulator

    def session(self, simulator: Simulator | str, *, rate: Rate = UNLIMITED, **changes: Any) -> Session:
        url = simulator if isinstance(simulator, str) else simulator.url
        target = Target(endpoint_url=url, **changes)
        return Session(
            self.path,
            target=target,
            rate=rate,
            read_rate=UNLIMITED,
            credentials_wait=20,
            clock=self.clock,
        )

    @asynccontextmanager
    async def launching(
        self,
        simulator: Simulator | str,
        *,
        rows: int = 3,
        mode: Mode = Mode.WATCH,
        way: Way = Way.AUTO,
        **changes: Any,
    ) -> AsyncIterator[Launch]:
        path = self._folder / "cohort.csv"
        path.write_text("id,parameters.x\n" + "".join(f"s{number},{number}\n" for number in range(rows)))
        with load_manifest(path, sets=SETS) as manifest:
            async with (
                self.session(simulator, **changes) as session,
                session.launching(manifest, limits=Limits(mode=mode, way=way, watch=SELDOM)) as launch,
            ):
                yield launch

    async def run(self, simulator: Simulator | str, **options: Any) -> None:
        async with self.launching(simulator, **options) as launch:
            await launch.wait()

    async def batch(self) -> Batch:
        async with open_ledger(self.path) as ledger:
            (batch,) = await ledger.batches()
            return batch

    async def states(self) -> dict[State, int]:
        async with open_ledger(self.path) as ledger:
            return dict((await ledger.batch("cohort").counts()).by_state)

    def forget_account(self) -> None:
        """Make the ledger as an older one, whose runs bear no account."""
        connection = apsw.Connection(str(self.path))
        connection.execute(
            "DROP TRIGGER account_stays; UPDATE batches SET account = NULL; UPDATE entries SET run_arn = ''"
        )
        connection.close()


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path, VirtualClock())


def calls(simulator: Simulator) -> dict[str, int]:
    return {operation: tally.calls for operation, tally in simulator.state().calls.items()}


async def started_some(launch: Launch, number: int) -> None:
    """Wait until so many runs are accepted."""
    async for step in launch.steps():
        number -= step.kind == "accepted"
        if not number:
            return


async def test_a_batch_keeps_the_account_that_sts_names_and_asks_once_a_launch(lab):
    async with lab.account(OURS) as simulator:
        async with lab.launching(simulator) as launch:
            assert (await lab.batch()).account == OURS
            await launch.wait()
        assert calls(simulator)["GetCallerIdentity"] == 1


async def test_another_account_is_refused_before_anything_is_sent(lab):
    """Seen: with another profile every row became DELETED for good, and retry started second runs."""
    async with lab.account(OURS) as ours, lab.account(OTHERS) as others:
        await lab.run(ours, mode=Mode.DETACH)
        for mode in Mode:
            with pytest.raises(UsageError) as caught:
                await lab.run(others, mode=mode)
            told = str(caught.value)
            assert (OURS in told, OTHERS in told, "AWS_ACCESS_KEY_ID" in told) == (True, True, True)
            assert "--profile" in told
        assert calls(others) == {"GetCallerIdentity": len(Mode)}
        assert await lab.states() == {State.ACTIVE: 3}
        await lab.run(ours)
        assert await lab.states() == {State.SUCCEEDED: 3}


async def test_one_session_holds_to_one_account(lab):
    async with lab.account(OURS) as ours, lab.session(ours) as session:
        first = await session.service()
        await session.open_batch("one", first)
        ledger = await session.ledger()
        await ledger.open_batch("two", region="us-east-1", account=OTHERS, at=lab.clock.utcnow())
        with apsw.Connection(str(lab.path)) as connection:
            connection.execute("DROP TRIGGER account_stays")
        batch = replace(await session.open_batch("two", first), account=OTHERS)
        with pytest.raises(UsageError, match=OTHERS):
            await session.service_of(batch)


async def test_where_sts_is_silent_the_first_run_tells_the_account(lab):
    async with lab.account(OURS, "GetCallerIdentity:hang_before") as simulator:
        async with lab.launching(simulator) as launch:
            assert anyio.current_time() == pytest.approx(3, abs=0.5)
            assert (await lab.batch()).account is None
            await launch.wait()
        assert (await lab.batch()).account == OURS
        assert calls(simulator)["GetCallerIdentity"] == 1


@pytest.mark.parametrize(
    "fault", ["AccessDenied", "ExpiredToken", "html_after", "truncated_after", "empty_after", "drop_before"]
)
async def test_no_answer_of_sts_ends_a_launch(lab, fault):
    async with lab.account(OURS, f"GetCallerIdentity:{fault}") as simulator:
        await lab.run(simulator)
        assert await lab.states() == {State.SUCCEEDED: 3}


async def test_a_batch_of_which_nothing_was_started_goes_on_in_the_right_account(lab):
    async with lab.account(OURS) as ours, lab.account(OTHERS, "StartRun:ResourceNotFoundException") as others:
        await lab.run(others)  # the workflow is not there
        assert await lab.states() == {State.REFUSED: 3}
        assert (await lab.batch()).account == OTHERS
        await lab.run(ours, rows=4)
        assert (await lab.batch()).account == OURS


async def test_a_batch_of_which_nothing_was_started_goes_on_in_the_right_region(lab):
    """Seen: the first region was wrong, and the right one was refused for ever."""
    async with lab.account(OURS, "StartRun:ResourceNotFoundException=3x") as simulator:
        await lab.run(simulator, region="eu-west-3")
        assert (await lab.batch()).region == "eu-west-3"
        await lab.run(simulator, rows=4, region="eu-west-1")
        assert (await lab.batch()).region == "eu-west-1"
        assert await lab.states() == {State.REFUSED: 3, State.SUCCEEDED: 1}
        with pytest.raises(UsageError, match="has its runs in eu-west-1"):
            await lab.run(simulator, region="eu-west-3")


@pytest.mark.parametrize(("operation", "way"), [("GetRun", Way.GET), ("ListRuns", Way.LIST)])
async def test_another_account_in_an_answer_ends_the_launch(lab, operation, way):
    async with lab.account(OURS) as simulator:
        await lab.run(simulator, mode=Mode.DETACH)
        simulator.script(*parse_faults(f"{operation}:other_account_after"))
        with pytest.raises(ServiceUnusableError) as caught:
            await lab.run(simulator, way=way)
        assert OURS in str(caught.value)
        assert OURS[::-1] in str(caught.value)
        assert await lab.states() == {State.ACTIVE: 3}


async def test_a_run_in_another_account_is_not_taken_for_the_rows(lab):
    async with lab.account(OURS, "StartRun:other_account_after=1x") as simulator:
        await lab.run(simulator, rows=1)  # the login after it is the right one again
        assert await lab.states() == {State.SUCCEEDED: 1}
        assert len(simulator.state().runs) == 1
        simulator.script(*parse_faults("StartRun:other_account_after"))
        with capture_logs() as said, pytest.raises(ServiceUnusableError, match=OURS[::-1]):
            await lab.run(simulator, rows=2)
        assert await lab.states() == {State.SUCCEEDED: 1, State.SUBMITTING: 1}
        assert calls(simulator)["StartRun"] > 3
        warned = [one["arn"] for one in said if one["event"] == "run_in_another_account"]
        assert len(warned) == 1  # of each run once, however often the call is repeated


async def test_new_keys_are_asked_about_before_they_are_used(lab, monkeypatch):
    """Somebody has logged in again meanwhile, but to another account."""
    async with lab.account(OURS) as simulator:
        async with lab.launching(simulator) as launch:
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHEROTHEROTHER1")
            faults = "GetRun:ExpiredTokenException=1x,GetCallerIdentity:other_account_after"
            simulator.script(*parse_faults(faults))
            with pytest.raises(ServiceUnusableError, match=OURS[::-1]):
                await launch.wait()
            assert calls(simulator)["GetRun"] == 1
            assert calls(simulator)["GetCallerIdentity"] == 2  # once for each key
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATESTTESTTESTTEST")
        simulator.faults.replace(())
        await lab.run(simulator)
        assert await lab.states() == {State.SUCCEEDED: 3}


@pytest.mark.long
@pytest.mark.parametrize(
    ("sts", "logins"),
    [("", 0), ("GetCallerIdentity:AccessDenied", 0), ("GetCallerIdentity:AccessDenied", 15)],
)
async def test_the_first_answer_of_another_account_ends_what_is_started_there(lab, sts, logins, monkeypatch):
    """
    Seen: rows that waited for their turn were started in it all the same, as many as may be in flight.

    And what STS had said of the same keys before was taken for an answer from the right one; so were new
    keys of which STS says nothing, one row for each time that the login was tried again.
    """
    async with lab.account(OURS, sts) as simulator:
        with capture_logs() as said:
            async with lab.launching(simulator, rows=100, rate=Rate(most=5)) as launch:
                await started_some(launch, 10)
                elsewhere = "StartRun:other_account_after=1,GetRun:ResourceNotFoundException=1"
                simulator.script(*parse_faults(elsewhere))
                started = len(simulator.state().runs)
                for number in range(15):
                    if number < logins:
                        monkeypatch.setenv("AWS_ACCESS_KEY_ID", f"AKIAOTHEROTHEROTH{number:03}")
                    await anyio.sleep(1)
                assert len(simulator.state().runs) - started <= 2
                simulator.faults.replace(())
                await launch.wait()
        assert await lab.states() == {State.SUCCEEDED: 100}
        assert sum(one["event"] == "run_in_another_account" for one in said) in {1, 2}
        assert [one["event"] for one in said].count("credentials_back") == 1


async def test_keys_are_asked_about_when_the_turn_has_come(lab, monkeypatch):
    """Seen: they were asked about before it was waited for, and by then were another account's."""
    expired = (
        "StartRun:ExpiredTokenException=1x,StartRun:other_account_after,GetCallerIdentity:other_account_after"
    )
    async with lab.account(OURS) as simulator:
        async with lab.launching(simulator, rows=100, rate=Rate(most=5)) as launch:
            await started_some(launch, 10)
            started = len(simulator.state().runs)
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHEROTHEROTHER1")
            simulator.script(*parse_faults(expired))
            with capture_logs() as said, pytest.raises(ServiceUnusableError, match=OURS[::-1]):
                await launch.wait()
        assert len(simulator.state().runs) == started
        assert "run_in_another_account" not in {one["event"] for one in said}


async def test_a_login_of_which_nobody_knows_the_account_decides_nothing(lab, monkeypatch):
    """Seen: it knew none of the runs, which were shown to the login before it, and all were DELETED."""
    ours = lab.account(OURS, "GetCallerIdentity:AccessDenied", max_active=None)
    async with ours as simulator, lab.launching(simulator, rows=5) as launch:
        await started_some(launch, 5)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHEROTHEROTHER1")
        for run in simulator.state().runs:
            simulator.service._forget(simulator.service.shelf.by_id[run.id])
        simulator.script(*parse_faults("*:ExpiredTokenException=1x"))
        with pytest.raises(ServiceUnusableError, match="none of 5 runs"):
            await launch.wait()
    assert await lab.states() == {State.ACTIVE: 5}


@pytest.mark.long
@pytest.mark.parametrize("mode", Mode)
async def test_an_unknown_account_that_knows_none_of_several_runs_decides_nothing(lab, mode):
    async with lab.account(OURS) as ours, lab.account(OTHERS, "GetCallerIdentity:AccessDenied") as others:
        await lab.run(ours, mode=Mode.DETACH)
        for is_known in (True, False):
            if not is_known:
                lab.forget_account()
            with pytest.raises(
                ServiceUnusableError, match=r"none of 3 runs .* another account or endpoint\?"
            ):
                await lab.run(others, rows=5, mode=mode)
            assert await lab.states() == {State.ACTIVE: 3}
            assert calls(others).keys() == {"GetCallerIdentity", "GetRun"}


async def test_one_run_alone_says_nothing_of_the_account(lab):
    async with lab.account(OURS) as ours, lab.account(OURS, "GetCallerIdentity:AccessDenied") as others:
        await lab.run(ours, rows=1, mode=Mode.DETACH)
        await lab.run(others, rows=1)
        assert await lab.states() == {State.DELETED: 1}


async def test_one_run_that_is_known_speaks_for_the_others(lab):
    async with lab.account(OURS) as simulator:
        await lab.run(simulator, rows=12, mode=Mode.DETACH)
        for run in simulator.state().runs[1:]:
            simulator.service._forget(simulator.service.shelf.by_id[run.id])
        lab.forget_account()
        simulator.script(*parse_faults("GetCallerIdentity:AccessDenied"))
        await lab.run(simulator, rows=12)
        assert await lab.states() == {State.SUCCEEDED: 1, State.DELETED: 11}


async def test_where_looking_fails_the_launch_itself_says_why(lab):
    async with lab.account(OURS) as simulator:
        await lab.run(simulator, mode=Mode.DETACH)
        simulator.script(*parse_faults("GetCallerIdentity:AccessDenied,GetRun:AccessDeniedException"))
        with pytest.raises(ServiceUnusableError, match="GetRun is denied"):
            await lab.run(simulator)


async def test_where_the_account_is_known_to_be_ours_all_runs_may_be_gone(lab):
    async with lab.account(OURS) as ours, lab.account(OURS) as emptied:
        await lab.run(ours, mode=Mode.DETACH)
        await lab.run(emptied)
        assert await lab.states() == {State.DELETED: 3}


async def test_verbs_that_ask_about_ended_runs_are_held_to_the_account_too(lab):
    async with lab.account(OURS) as ours, lab.account(OTHERS, "GetCallerIdentity:AccessDenied=1x") as others:
        await lab.run(ours)
        batch = await lab.batch()
        async with lab.session(others) as session:
            with pytest.raises(ServiceUnusableError, match="none of 3 runs"):
                await session.service_of(batch)
        async with lab.session(others) as session:
            with pytest.raises(UsageError, match=OTHERS):
                await session.service_of(batch)
            with pytest.raises(UsageError, match=OTHERS):
                await session.check_account(batch)
        async with lab.session(ours) as session:
            assert (await session.service_of(batch)).is_account_known
            await session.check_account(batch)
        async with lab.session("http://127.0.0.1:9", profile="none") as session:
            with pytest.raises(UsageError, match="none"):
                await session.check_account(batch)


async def test_an_endpoint_of_ones_own_has_an_sts_only_where_one_is_named(lab, monkeypatch, tmp_path):
    async with lab.account(OURS) as simulator, lab.account(OTHERS) as sts:
        monkeypatch.setattr("batchrun.service.calling.caller.is_loopback", lambda _: False)
        await lab.run(simulator, mode=Mode.DETACH)
        assert "GetCallerIdentity" not in calls(simulator)
        config = tmp_path / "config"
        config.write_text(f"[default]\nservices = lab\n[services lab]\nsts =\n  endpoint_url = {sts.url}\n")
        for name, value in (("AWS_CONFIG_FILE", str(config)), ("AWS_ENDPOINT_URL_STS", sts.url)):
            monkeypatch.setenv(name, value)
            with pytest.raises(UsageError, match=OTHERS):
                await lab.run(simulator)
            monkeypatch.setenv(name, str(tmp_path / "no-config"))
            monkeypatch.delenv("AWS_ENDPOINT_URL_STS", raising=False)
        assert calls(sts) == {"GetCallerIdentity": 2}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://omics.us-east-1.amazonaws.com", True),
        ("https://workflows-omics.eu-west-2.amazonaws.com/", True),
        ("https://omics-fips.us-west-2.amazonaws.com", True),
        ("https://omics.us-east-1.api.aws", True),
        ("https://omics.cn-north-1.amazonaws.com.cn", True),
        ("https://vpce-0a1-b2.workflows-omics.us-east-1.vpce.amazonaws.com", True),
        ("https://vpce-0a1-b2-us-east-1a.workflows-omics.us-east-1.vpce.amazonaws.com", True),
        ("https://vpce-1.omics.us-east-1.vpce.amazonaws.com.example.org", False),
        ("https://omics.us-east-1.amazonaws.com.example.org", False),
        ("http://127.0.0.1:8765", False),
        ("https://healthomics.lab", False),
    ],
)
def test_the_services_own_addresses_are_known(url, expected):
    assert is_aws(url) is expected
