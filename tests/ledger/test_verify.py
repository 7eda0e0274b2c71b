"""A sound ledger passes, whatever it went through; each kind of damage is found and named."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from importlib import resources
from pathlib import Path

import apsw
import apsw.ext
import pytest

from batchrun.errors import LedgerUnusableError
from batchrun.ledger import open_ledger
from batchrun.ledger.sqlite.migrate import migrate
from batchrun.ledger.sqlite.statements import migrations, queries
from batchrun.ledger.statements import split
from batchrun.ledger.verify import Finding, Verification
from batchrun.model.events import (
    Cancelled,
    Doubted,
    Event,
    Failed,
    Missed,
    Progressed,
    Reappeared,
    Refused,
    Removed,
    Retried,
    Revised,
)
from batchrun.model.limits import Changed
from batchrun.model.policies import WatchPolicy
from batchrun.model.spec import Spec
from batchrun.model.states import State
from batchrun.ports.held import HeldBatch
from batchrun.ports.ledger import Ledger
from tests.engine.launching import bench, rows
from tests.ledger.contract_lanes import asked, offers, row
from tests.ledger.samples import (
    AT,
    accepted,
    completed,
    deferred,
    filled,
    intended,
    later,
    lease_on,
    move,
    run_of,
    specs,
)
from tests.ledger.submitting import over, together
from tests.world import simulated

#: Fewer looks: watching is not what is shown here.
PATIENT = WatchPolicy(shortest=60, longest=600)
FAULTS = "StartRun:drop_after=0.1,StartRun:error_after=0.1,StartRun:throttle=0.1,GetRun:error_before=0.1"
REFUSED = Refused(at=AT, code="ValidationException", message="bad")
#: An entry in every state, and one whose first attempt failed.
LIVES: dict[str, list[Event]] = {
    "planned": [],
    "submitting": [intended(), Doubted(at=AT, code="Timeout", message="no answer")],
    "backoff": [intended(), deferred(later(minutes=1))],
    "again": [intended(), deferred(later(minutes=1)), intended(), accepted(9)],
    "active": [intended(), accepted(1), Progressed(at=AT, run=run_of(1, "RUNNING", start_time=AT))],
    "succeeded": [intended(), accepted(2), completed(2)],
    "failed": [
        intended(),
        accepted(3),
        Failed(at=AT, run=run_of(3, "FAILED", failure_reason="SERVICE_ERROR")),
    ],
    "cancelled": [intended(), accepted(4), Cancelled(at=AT, run=run_of(4, "CANCELLED"))],
    "deleted": [intended(), accepted(5), Removed(at=AT, message="404")],
    "missed": [
        intended(),
        accepted(8),
        Missed(at=AT, message="404"),
        Missed(at=later(hours=1), message="404"),
    ],
    "back": [
        intended(),
        accepted(10),
        Missed(at=AT, message="404"),
        Removed(at=later(hours=1), message="404"),
        Reappeared(at=later(hours=2), run=run_of(10, "COMPLETED")),
        completed(10),
    ],
    "refused": [intended(), REFUSED],
    "twice": [
        intended(),
        accepted(6),
        completed(6),
        Revised(at=AT, request='{"new":1}'),
        intended(),
        accepted(7),
    ],
    "waiting": [intended(), Revised(at=AT, request='{"new":2}')],
    "replaced": [Revised(at=AT, request='{"never":"sent"}'), Revised(at=AT, request='{"n":3}'), intended()],
}
#: Two rows of a submission that goes on, and two of one that is over, the last of them sent by itself since.
TOGETHER = "STOV"


@pytest.fixture
async def lived(place):
    """A ledger with an entry of each kind of life, closed."""
    async with await open_ledger(place) as ledger:
        held = await filled(ledger, *LIVES, *TOGETHER)
        for id_, events in LIVES.items():
            if events:
                await move(held, id_, *events)
        await together(held, 1, "ST")
        made = await together(held, 2, "OV")
        await move(held, "O", accepted(11), completed(11))
        await move(held, "V", deferred(AT), intended())
        await held.keep_submission(over(made))
        await held.release()
    return place


def found(place: Path) -> list[Finding]:
    return list(Verification(place).findings())


def damage(place: Path, *statements: str) -> None:
    """Do what only something else than batchrun would do."""
    connection = apsw.Connection(str(place))
    connection.execute("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF")
    connection.execute(
        "DROP TRIGGER events_stay; DROP TRIGGER events_stay_as_they_are; DROP TRIGGER fence_grows;"
        "DROP TRIGGER submission_rows_stay; DROP TRIGGER submission_rows_stay_as_they_are;"
        "DROP TRIGGER submission_stays_what_it_is; DROP TRIGGER batches_stay"
    )
    for statement in statements:
        connection.execute(statement)
        assert connection.changes(), f"nothing was damaged by {statement}"
    connection.close()


def of(id_: str) -> str:
    return f"(SELECT key FROM entries WHERE id = '{id_}')"


async def test_every_kind_of_life_is_sound(lived):
    verification = Verification(lived)
    assert list(verification.findings()) == []
    assert (verification.batches, verification.entries) == (1, len(LIVES) + len(TOGETHER))
    assert verification.events == sum(len(events) for events in LIVES.values()) + 8


LARGER = Retried(at=AT, due=later(minutes=1), why="rule", request='{"larger":1}')
CACHED = Retried(at=AT, due=later(minutes=1), why="rule", request='{"larger":1,"cached":1}')
CONTENT = specs("back again")[0].request


def failing(number: int) -> list[Event]:
    return [intended(), accepted(number), Failed(at=AT, run=run_of(number, "FAILED"))]


#: Attempts that ask for something else than their row.
DEPARTURES: dict[str, list[Event]] = {
    "departing": [*failing(8), LARGER, intended(), Doubted(at=AT, code="Timeout", message="no answer")],
    "departed twice": [*failing(10), LARGER, *failing(11), CACHED],
    "back again": [*failing(12), LARGER, *failing(13), Retried(at=AT, due=AT, why="x", request=CONTENT)],
    "departing and revised": [*failing(14), LARGER, Revised(at=AT, request='{"new":4}')],
    "departing and waiting": [*failing(15), LARGER, intended(), Revised(at=AT, request='{"new":5}')],
}


async def test_attempts_that_depart_from_their_rows_are_sound(place):
    async with await open_ledger(place) as ledger:
        held = await filled(ledger, *DEPARTURES)
        for id_, events in DEPARTURES.items():
            await move(held, id_, *events)
        assert (await ledger.batch("cohort").compare(specs(*DEPARTURES))).changed == 2
    assert found(place) == []


async def test_a_request_that_a_retry_did_not_ask_for_is_found(place):
    async with await open_ledger(place) as ledger:
        held = await filled(ledger, "a")
        await move(held, "a", *failing(8), LARGER, intended())
    damage(place, "UPDATE entries SET request = '{\"other\":1}'")
    assert any("not stored" in finding.what for finding in found(place))


#: Attempts in lanes, with rows that offer two; the events' requests are told by the rows and attempts alone.
OFFERS = offers("a", "east", "west")
IN_EAST = replace(intended(), lane="east", request=asked("a", "east"))
IN_WEST = replace(intended(), lane="west", request=asked("a", "west"), proven_at=AT)
MOVED = replace(LARGER, request=offers("a", "west", closed=["east"]))
IN_LANES: dict[str, list[Event]] = {
    "free": [],
    "chosen": [IN_WEST, accepted(1)],
    "other content": [Revised(at=AT, request=offers("a", "west", content=2))],
    "content twice": [
        IN_WEST,
        Revised(at=AT, request=offers("a", "east", content=4)),
        deferred(AT),
        Revised(at=AT, request=offers("a", "east", content=5)),
        Revised(at=AT, request=OFFERS),
    ],
    "again": [IN_WEST, *failing(2)[1:], Retried(at=AT, due=AT, why="x"), IN_EAST, accepted(3)],
    "again and free": [IN_EAST, *failing(4)[1:], Retried(at=AT, due=AT, why="x")],
    "moved": [IN_EAST, *failing(5)[1:], MOVED],
    "moved and sent": [IN_EAST, *failing(6)[1:], MOVED, IN_WEST, *failing(7)[1:]],
    "copied": [IN_WEST, *failing(8)[1:], replace(LARGER, request='[["west",{"runId":"8"}]]')],
    "waiting": [IN_WEST, Revised(at=AT, request=offers("a", "east", content=3))],
}


async def in_lanes(ledger: Ledger, lives: dict[str, list[Event]]) -> tuple[HeldBatch, list[Spec]]:
    """Record lives of rows that offer east and west, and take in a manifest that offers north too."""
    held = await lease_on(ledger)
    for lane in ("east", "west"):
        await held.keep_lane(lane, region="us-east-1", account="123456789012", at=AT)
    rows = [replace(row("a", 0, "east", "west"), id=id_, position=at) for at, id_ in enumerate(lives)]
    await held.sync(rows, changed=Changed.REFUSE, at=AT)
    for id_, events in lives.items():
        if events:
            await move(held, id_, *events)
    return held, rows


@pytest.mark.parametrize("more", [(), ("north",)], ids=["as it is", "with another lane since"])
async def test_attempts_in_lanes_are_sound(place, more):
    async with await open_ledger(place) as ledger:
        held, rows = await in_lanes(ledger, IN_LANES)
        now = [replace(one, offers=offers("a", *more, "west", "east")) for one in rows]
        await held.sync(now, changed=Changed.KEEP, at=AT)
        await ledger.batch("cohort").retry(["moved and sent"], at=AT, why="x")
    assert found(place) == []


async def test_rows_from_before_their_manifest_had_lanes_are_sound(place):
    lives: dict[str, list[Event]] = {
        "sent": [intended(), accepted(1)],
        "failed": failing(2),
        "departed": [*failing(3), LARGER, intended()],
        "waits": [intended(), deferred(AT)],
        "free": [],
    }
    async with await open_ledger(place) as ledger:
        held = await filled(ledger, *lives)
        for id_, events in lives.items():
            if events:
                await move(held, id_, *events)
        now = [replace(one, offers=f'[["west",{{}}],["east",{one.request}]]') for one in specs(*lives)]
        assert (await held.sync(now, changed=Changed.REFUSE, at=AT, home="east")).changed_ids == ("free",)
        await ledger.batch("cohort").retry(["failed"], at=AT, why="x")
    assert found(place) == []


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE entries SET lane = 'east', may_take = '[\"east\"]'", "lane is east"),
        ("UPDATE entries SET lane = NULL", "lane is None"),
        (f"UPDATE entries SET request = '{asked('a', 'east')}'", "not stored"),
        ("UPDATE events SET detail = json_set(detail, '$.lane', 'east')", "requestId"),
        ("UPDATE events SET detail = json_remove(detail, '$.lane')", "requestId"),
    ],
)
async def test_a_lane_that_was_not_chosen_is_found(place, statement, what):
    async with await open_ledger(place) as ledger:
        await in_lanes(ledger, {"a": [IN_WEST]})
    damage(place, "DROP TRIGGER attempt_stays_in_its_lane; " + statement)
    assert any(what in finding.what for finding in found(place)), found(place)


async def test_an_earlier_attempts_lane_is_held_against_its_history(place):
    async with await open_ledger(place) as ledger:
        await in_lanes(ledger, {"a": IN_LANES["again"]})
    damage(place, "UPDATE attempts SET lane = 'east'")
    assert any("lane of attempt 1 is east" in finding.what for finding in found(place)), found(place)


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("DELETE FROM lanes WHERE name = 'east'", "is in lane 'east', which the batch does not have"),
        ("UPDATE lanes SET account = '222222222222'", "is in us-east-1 of account 222222222222"),
        ("UPDATE lanes SET region = 'x'", "its run uuid-8 is in us-east-1 of account 123456789012, but lane"),
    ],
)
async def test_a_run_that_is_not_where_its_lane_is_is_found(place, statement, what):
    async with await open_ledger(place) as ledger:
        again = [IN_EAST, *failing(8)[1:], Retried(at=AT, due=AT, why="x")]
        await in_lanes(ledger, {"a": again, "b": [IN_EAST]})
    damage(place, "DROP TRIGGER lane_stays_where_it_is; " + statement)
    assert any(what in finding.what for finding in found(place)), found(place)


async def test_an_unsent_row_asks_for_what_its_first_lane_asks_for(place):
    async with await open_ledger(place) as ledger:
        await in_lanes(ledger, {"a": []})
    damage(place, "UPDATE entries SET request = '{}'; DELETE FROM leases")
    assert any("request is {}" in finding.what for finding in found(place)), found(place)


async def test_verifying_changes_nothing_and_works_beside_a_writer(place):
    async with await open_ledger(place) as ledger:
        held = await filled(ledger, "a")
        await move(held, "a", intended())
        before = place.read_bytes()
        verification = Verification(place)
        looking = verification.findings()
        assert list(looking) == []
        await move(held, "a", accepted(1))
        assert found(place) == []
        assert place.read_bytes() == before


async def test_what_a_manifest_does_to_a_ledger_is_sound(place):
    async with await open_ledger(place) as ledger:
        held = await filled(ledger, "a", "b", "c")
        await move(held, "a", intended(), accepted(1), completed(1))
        await held.sync(specs("c", "a", content=2), changed=Changed.RESUBMIT, at=AT)
        await held.sync(specs("c", "a", "d", content=3), changed=Changed.RESUBMIT, at=AT)
        await move(held, "c", intended())
    assert found(place) == []


@pytest.mark.timeout(300)
async def test_a_ledger_of_100_entries_that_went_through_faults_is_sound(tmp_path):
    async with bench(tmp_path, simulated(FAULTS, failures={"RUN_TASK_FAILED": 0.2}, max_active=None)) as it:
        await it.launch(rows(100), watch=PATIENT)
        changed = [*rows(30, priority=7), *rows(100)[30:]]
        await it.launch(changed, changed=Changed.RESUBMIT, watch=PATIENT)
        states = {entry.state for entry in (await it.entries()).values()}
        assert states == {State.SUCCEEDED, State.FAILED}
    verification = Verification(tmp_path / "batchrun.db")
    assert list(verification.findings()) == []
    assert verification.entries == 100
    assert verification.events > 400


def entry(id_: str, **columns: str) -> str:
    """Change columns of an entry."""
    changes = ", ".join(f"{name} = {value}" for name, value in columns.items())
    return f"UPDATE entries SET {changes} WHERE id = '{id_}'"


def event(id_: str, kind: str, path: str, value: str) -> str:
    """Change a fact of an entry's events of one kind."""
    where = f"kind = '{kind}' AND entry = {of(id_)}"
    return f"UPDATE events SET detail = json_set(detail, '$.{path}', '{value}') WHERE {where}"


MADE_UP = f"SELECT key, 1, 'x', 0, 1, {'NULL, ' * 13} request, NULL FROM entries WHERE id = 'active'"
ADDED = f"SELECT {of('succeeded')}, 1, 0, 'intended', '{{\"tagged\":true}}'"
ACTIVE_UUID = "(SELECT run_uuid FROM entries WHERE id = 'active')"
TWICE_UUID = "(SELECT run_uuid FROM entries WHERE id = 'twice')"
#: What was done, to whom, and what must be said of it.
DAMAGES: dict[str, tuple[str, str | None, str]] = {
    "state": (entry("succeeded", state="'failed'"), "succeeded", "state is"),
    "uuid": (entry("active", run_uuid="'x'"), "active", "run has uuid x"),
    "output": (entry("again", run_output_uri="'s3://x'"), "again", "output_uri"),
    "run": (entry("active", run_id="NULL", run_uuid="NULL"), "active", "run is None"),
    "request": (entry("active", request="'{}'"), "active", "requestId"),
    "requestId": (entry("active", request_id="'r'"), "active", "requestId is r"),
    "due": (entry("backoff", due="5"), "backoff", "due is 1970"),
    "no time": (entry("active", accepted_at="NULL"), "active", "accepted_at is None"),
    "attempt": (entry("twice", attempt="4"), "twice", "attempt is 4"),
    "row unreadable": (entry("active", state="'odd'"), "active", "cannot be read"),
    "attempt lost": ("DELETE FROM attempts", "twice", "attempt 1 was not kept"),
    "attempt made up": (f"INSERT INTO attempts {MADE_UP}", "active", "attempt 1 is kept"),
    "attempt changed": ("UPDATE attempts SET run_status = 'FAILED'", "twice", "status"),
    "one run twice": (f"UPDATE attempts SET run_uuid = {ACTIVE_UUID}", "active", "under entry 'twice' too"),
    "one run in two attempts": (
        f"UPDATE attempts SET run_uuid = {TWICE_UUID}",
        "twice",
        "two attempts of it",
    ),
    "event lost": (
        f"DELETE FROM events WHERE entry = {of('active')} AND kind = 'accepted'",
        "active",
        "cannot have",
    ),
    "last event lost": ("DELETE FROM events WHERE kind = 'cancelled'", "cancelled", "state is cancelled"),
    "event added": (
        f"INSERT INTO events (entry, attempt, at, kind, detail) {ADDED}",
        "succeeded",
        "event 4 (intended) cannot have happened",
    ),
    "event moved": (
        "UPDATE events SET attempt = 2 WHERE kind = 'refused'",
        "refused",
        "stored for attempt 2",
    ),
    "event emptied": (
        "UPDATE events SET detail = '{}' WHERE kind = 'progressed'",
        "active",
        "cannot be read",
    ),
    "event of no kind": ("UPDATE events SET kind = 'odd' WHERE kind = 'failed'", "failed", "cannot be read"),
    "accepted without uuid": (event("again", "accepted", "run.uuid", ""), "again", "no uuid"),
    "another run": (event("succeeded", "completed", "run.uuid", "x"), "succeeded", "shows run x"),
    "two requestIds": (event("again", "intended", "request_id", "r"), "again", "sent with requestId r"),
    "request unknown": (event("twice", "revised", "request", "d"), "twice", "not stored"),
    "fence": ("UPDATE leases SET fence = 0", None, "its fence is 0"),
    "counts": (
        "UPDATE entry_counts SET total = total + 1 WHERE state = 'failed'",
        None,
        "that are failed are not",
    ),
    "no lease": ("DELETE FROM leases", None, "never had a lease"),
    "no such entry": ("UPDATE events SET entry = 999 WHERE kind = 'refused'", None, "row of entries"),
    "no such batch": ("DELETE FROM batches", None, "row of batches"),
    "a submission's row lost": (
        f"DELETE FROM submission_rows WHERE entry = {of('S')}",
        None,
        "1 of its 2 rows",
    ),
    "a submission's row made up": (
        f"UPDATE submission_rows SET entry = {of('planned')} WHERE entry = {of('S')}",
        "planned",
        "was never intended in submission",
    ),
    "a submission's row of another attempt": (
        f"UPDATE submission_rows SET attempt = 2 WHERE entry = {of('S')}",
        "S",
        "attempt 2 was never intended in submission",
    ),
    "a submission in another lane": (
        "UPDATE submissions SET lane = 'x' WHERE name = 'cohort-1'",
        "S",
        "never intended",
    ),
    "taken without an id": (
        "UPDATE submissions SET standing = 'taken' WHERE name = 'cohort-1'",
        None,
        "is taken, but has no batch's id",
    ),
    "over too early": (
        "UPDATE submissions SET standing = 'over' WHERE name = 'cohort-1'",
        "S",
        "attempt 1 waits for submission",
    ),
    "over with its request": (
        "UPDATE submissions SET request = '{}' WHERE name = 'cohort-2'",
        None,
        "is over, but has its request still",
    ),
    "a request lost": (
        "UPDATE submissions SET request = NULL WHERE name = 'cohort-1'",
        None,
        "is intended, but has no request",
    ),
    "a table is gone": ("DELETE FROM attempts; DROP TABLE attempts", None, "cannot be read any further"),
    "an index is gone": (
        "DELETE FROM leases; DROP INDEX events_of_entry",
        None,
        "cannot be read any further",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
async def test_damage_is_found(lived, name):
    statement, id_, what = DAMAGES[name]
    damage(lived, statement)
    hits = [finding for finding in found(lived) if what in finding.what]
    assert hits, found(lived)
    assert hits[0].id == id_
    assert hits[0].cure
    assert hits[0].what in str(hits[0])


async def test_only_the_damaged_entry_is_named(lived):
    damage(lived, DAMAGES["event emptied"][0])
    assert {finding.id for finding in found(lived)} == {"active"}


@pytest.mark.parametrize("page", range(2, 12, 3))
async def test_a_page_of_noise_is_found(lived, page):
    content = bytearray(lived.read_bytes())
    content[page * 4096 : (page + 1) * 4096] = b"\x5a" * 4096
    lived.write_bytes(content)
    assert found(lived)


async def test_a_damaged_schema_is_a_finding_not_a_wrong_path(lived):
    content = bytearray(lived.read_bytes())
    content[100:3000] = b"\xff" * 2900
    lived.write_bytes(content)
    (finding,) = found(lived)
    assert "damaged" in finding.what
    assert str(finding).startswith("the file: ")


def test_there_must_be_a_ledger(place):
    with pytest.raises(LedgerUnusableError, match="no ledger at"):
        found(place)


def test_every_check_is_used_and_streams():
    package = resources.files("batchrun.ledger")
    used = set(re.findall(r"each\(\"(\w+)\"\)", (package / "verify.py").read_text()))
    files = (package / "sql" / "sqlite" / "verify.sql", package / "sql" / "verify.sql")
    assert used == {name for file in files for name in split(file.read_text())}
    connection = apsw.Connection(":memory:")
    migrate(connection, migrations())
    for name in ("stored_entries", "stored_attempts", "stored_events"):
        plan = [step for *_, step in connection.execute("EXPLAIN QUERY PLAN " + queries()[name])]
        assert not [step for step in plan if "TEMP B-TREE" in step], plan
    connection.close()


_PEAK = """
import sys
from batchrun.ledger.verify import Verification
from tests.peak import peak
verification = Verification(sys.argv[1])
assert not list(verification.findings())
print(verification.entries, peak())
"""


def peak(place: Path) -> int:
    """Return how much memory a process took to verify, in KiB."""
    done = subprocess.run([sys.executable, "-c", _PEAK, place], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[1])


async def test_memory_does_not_grow_with_the_ledger(tmp_path):
    peaks = []
    for count in (100, 10_000):
        place = tmp_path / f"{count}.db"
        async with await open_ledger(place) as ledger:
            await filled(ledger, *(f"id{number}" for number in range(count)))
        peaks.append(peak(place))
    assert peaks[1] < peaks[0] + 20_000
