"""The contract's words on what is known of runs that other ledgers started."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from batchrun.clock import ClockOrigin
from batchrun.errors import LeaseLostError
from batchrun.model.entries.events import Accepted, Completed, Deferred, Failed, Intended, Retried
from batchrun.model.planning.limits import Changed
from batchrun.model.spec import Spec, canonical
from tests.ledger.samples import (
    AT,
    BATCH,
    accepted,
    entry_of,
    filled,
    intended,
    later,
    move,
    run_of,
    spec,
    specs,
)

_SECOND = later(minutes=1)


class Proofs:
    async def test_what_is_to_be_sent_is_marked_and_proven_at_the_survey_s_end(self, ledger):
        held = await filled(ledger, "a", "b", "c")
        await move(held, "c", intended(), accepted(1))
        assert await ledger.batch(BATCH).unproven(since=AT, at=_SECOND) == 2
        wanted = (await held.proofs.begin_survey(since=AT, at=_SECOND))[None]
        assert sorted(ids for ids in wanted.names.values()) == [("a",), ("b",)]
        assert wanted.last_calls is None
        assert (await entry_of(ledger, "a")).proven_at is None
        await held.proofs.end_survey(at=_SECOND, calls={None: 3})
        assert [(await entry_of(ledger, id)).proven_at for id in "abc"] == [_SECOND] * 2 + [None]
        assert await ledger.batch(BATCH).unproven(since=AT, at=later(minutes=2)) == 0
        assert await held.proofs.begin_survey(since=AT, at=later(minutes=2)) == {}, "they are proven"

    async def test_a_survey_proves_nothing_of_rows_that_it_did_not_seek(self, ledger):
        held = await filled(ledger, "a")
        await held.proofs.begin_survey(since=AT, at=_SECOND)
        await held.proofs.end_survey(at=_SECOND, calls={})
        await held.sync([spec("a"), spec("b", 1)], changed=Changed.REFUSE, at=AT)
        await held.proofs.begin_survey(since=AT, at=later(minutes=2))
        await held.proofs.end_survey(at=later(minutes=2), calls={})
        assert [(await entry_of(ledger, id)).proven_at for id in "ab"] == [_SECOND, later(minutes=2)]

    async def test_rows_that_left_the_manifest_are_not_looked_for(self, ledger):
        held = await filled(ledger, "a", "b")
        await held.proofs.begin_survey(since=AT, at=AT)
        await held.sync([spec("a")], changed=Changed.REFUSE, at=AT)
        assert await ledger.batch(BATCH).unproven(since=AT, at=AT) == 1
        wanted = (await held.proofs.begin_survey(since=AT, at=AT))[None]
        assert sorted(wanted.names.values()) == [("a",)]

    async def test_a_proof_that_is_too_old_or_from_the_future_is_none(self, ledger):
        held = await filled(ledger, "a")
        await held.proofs.begin_survey(since=AT, at=_SECOND)
        await held.proofs.end_survey(at=_SECOND, calls={})
        assert await ledger.batch(BATCH).unproven(since=_SECOND, at=later(minutes=2)) == 1
        assert await ledger.batch(BATCH).unproven(since=AT, at=AT) == 1
        again = (await held.proofs.begin_survey(since=_SECOND, at=later(minutes=2)))[None]
        assert list(again.names.values()) == [("a",)]
        assert (await entry_of(ledger, "a")).proven_at == _SECOND

    @pytest.mark.parametrize(
        ("boot", "moved", "is_kept"),
        [("m", 0.5, True), ("m", 2.0, False), ("m", -2.0, False), ("n", 0.0, False)],
    )
    async def test_proofs_of_another_clock_are_forgotten(self, ledger, boot, moved, is_kept):
        held = await filled(ledger, "a")
        await held.proofs.bind(ClockOrigin(boot="m", at=AT))
        await held.proofs.begin_survey(since=AT, at=_SECOND)
        await held.proofs.end_survey(at=_SECOND, calls={None: 1})
        await held.proofs.bind(ClockOrigin(boot=boot, at=AT + timedelta(seconds=moved)))
        assert (await entry_of(ledger, "a")).proven_at == (_SECOND if is_kept else None)

    async def test_proofs_that_no_clock_is_known_of_are_forgotten(self, ledger):
        held = await filled(ledger, "a")
        await held.proofs.begin_survey(since=AT, at=_SECOND)
        await held.proofs.end_survey(at=_SECOND, calls={None: 1})
        await held.proofs.bind(ClockOrigin(boot="m", at=AT))
        assert (await entry_of(ledger, "a")).proven_at is None

    async def test_what_comes_or_asks_for_another_name_meanwhile_is_not_proven(self, ledger):
        held = await filled(ledger, "a", "b")
        await held.proofs.begin_survey(since=AT, at=AT)
        renamed, new = Spec(id="a", position=0, request=canonical({"name": "another"})), spec("new", 2)
        await held.sync([renamed, spec("b", 1), new], changed=Changed.REFUSE, at=AT)
        await held.proofs.end_survey(at=_SECOND, calls={None: 2})
        proven = [(await entry_of(ledger, id)).proven_at for id in ("a", "b", "new")]
        assert proven == [None, _SECOND, None]
        assert (await held.proofs.begin_survey(since=AT, at=_SECOND))[None].last_calls == 2

    async def test_an_intent_may_carry_a_proof_that_holds_for_later_attempts_too(self, ledger):
        held = await filled(ledger, "a")
        await move(held, "a", replace(intended(), proven_at=AT), accepted(1))
        await move(held, "a", Failed(at=AT, run=run_of(1, "FAILED")))
        assert (await entry_of(ledger, "a")).proven_at == AT
        again = Retried(at=AT, due=AT, why="x")
        await move(held, "a", again)
        assert (await entry_of(ledger, "a")).proven_at == AT

    async def test_rows_whose_runs_were_seen_get_no_proof_nor_what_an_earlier_survey_left(self, ledger):
        held = await filled(ledger, "a", "b", "c")
        await held.proofs.begin_survey(since=AT, at=AT)
        await move(held, "c", intended())
        wanted = (await held.proofs.begin_survey(since=AT, at=AT))[None]
        assert sorted(wanted.names.values()) == [("a",), ("b",)]
        await held.proofs.end_survey(at=_SECOND, calls={None: 1}, besides=["b"])
        assert [(await entry_of(ledger, id)).proven_at for id in "abc"] == [_SECOND, None, None]

    async def test_proofs_may_be_forgotten(self, ledger):
        held = await filled(ledger, "a", "b")
        await held.proofs.begin_survey(since=AT, at=_SECOND)
        await held.proofs.end_survey(at=_SECOND, calls={None: 1})
        await held.proofs.forget()
        assert [(await entry_of(ledger, id)).proven_at for id in "ab"] == [None, None]

    async def test_what_was_taken_over_is_known_for_as_long_as_is_asked(self, ledger):
        held = await filled(ledger, "own", "looked-for", "taken")
        assert not await held.proofs.has_found(since=AT)
        await move(held, "own", intended(), accepted(1))
        lost = Accepted(at=AT, run=run_of(2, creation_time=AT), was_found=True)
        await move(held, "looked-for", Intended(at=AT - timedelta(seconds=5)), lost)
        assert not await held.proofs.has_found(since=AT)
        yesterday = AT - timedelta(days=1)
        found = Accepted(at=AT, run=run_of(3, creation_time=yesterday), was_found=True)
        await move(held, "taken", Intended(at=yesterday), found)
        assert [await held.proofs.has_found(since=since) for since in (AT, _SECOND)] == [True, False]
        await move(held, "taken", Completed(at=later(days=1), run=run_of(3, "COMPLETED")))
        assert not await held.proofs.has_found(since=_SECOND)

    async def test_what_was_started_in_a_lane_is_known_for_as_long_as_is_asked(self, ledger):
        held = await filled(ledger, "own", "taken")
        yesterday = AT - timedelta(days=1)
        found = Accepted(at=AT, run=run_of(3, creation_time=yesterday), was_found=True)
        await move(held, "taken", Intended(at=yesterday), found)
        assert not await held.has_started(since=AT, lane=None)
        await move(held, "own", Intended(at=AT - timedelta(seconds=1)), accepted(1))
        asked = [(AT, None), (_SECOND, None), (AT, "east")]
        told = [await held.has_started(since=since, lane=lane) for since, lane in asked]
        assert told == [True, False, False]

    async def test_what_was_found_long_ago_and_started_again_since_is_started(self, ledger):
        held = await filled(ledger, "taken")
        yesterday = AT - timedelta(days=1)
        found = Accepted(at=yesterday, run=run_of(3, creation_time=yesterday), was_found=True)
        failed = Failed(at=yesterday, run=run_of(3, "FAILED", creation_time=yesterday))
        await move(held, "taken", Intended(at=yesterday), found, failed, Retried(at=AT, due=AT, why="x"))
        assert not await held.has_started(since=AT, lane=None)
        await move(held, "taken", intended(), accepted(4))
        assert await held.has_started(since=AT, lane=None)

    async def test_rows_that_use_the_same_are_counted(self, ledger):
        held = await filled(ledger, *"abcdefgh")
        await held.sync([*specs(*"abcdefg"), spec("x", 8, content=2)], changed=Changed.REFUSE, at=AT)
        for id in "abc":
            await move(held, id, intended(), Deferred(at=AT, due=AT, code="403", message=""))
        await move(held, "b", intended())
        await move(held, "c", intended(), accepted(1))
        await move(held, "d", intended(), Deferred(at=AT, due=AT, code="402", message=""))
        await move(held, "e", intended())
        like: dict[str, str | None] = {"content": "1", "roleArn": None}

        async def counted(
            uses: dict[str, str | None], *, are_all: bool = False, lanes: tuple[str, ...] = (), limit: int = 9
        ) -> int:
            return await held.unsent_alike(lanes=lanes, uses=uses, code="403", are_all=are_all, limit=limit)

        assert [await counted(like), await counted(like, are_all=True)] == [2, 6]
        assert await counted(like, are_all=True, limit=3) == 3
        assert await counted(like, are_all=True, lanes=("east",)) == 0
        others: list[dict[str, str | None]] = [{"content": "2"}, {"content": None}, {"roleArn": "1"}]
        assert [await counted(uses, are_all=True) for uses in others] == [1, 0, 0]
        started = [await held.has_started(since=AT, lane=None, uses=uses) for uses in (like, *others)]
        assert started == [True, False, False, False]
        assert not await held.has_started(since=_SECOND, lane=None, uses=like)

    async def test_surveys_are_fenced(self, ledger):
        held = await filled(ledger, "a")
        await held.release()
        with pytest.raises(LeaseLostError):
            await held.proofs.begin_survey(since=AT, at=AT)
        with pytest.raises(LeaseLostError):
            await held.proofs.end_survey(at=AT, calls={})
        with pytest.raises(LeaseLostError):
            await held.proofs.forget()

    async def test_a_ledger_without_the_batch_has_nothing_to_prove(self, ledger):
        assert await ledger.batch("nowhere").unproven(since=AT, at=AT) == 0
