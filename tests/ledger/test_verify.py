"""A sound ledger passes, whatever it went through; each kind of damage is found and named."""

from __future__ import annotations

from pathlib import Path

import apsw
import apsw.ext
import pytest

from batchrun.ledger import open_ledger
from batchrun.ledger.verify import Finding, Verification
from batchrun.model.entries.events import (
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
from batchrun.model.entries.policies import WatchPolicy
from tests.ledger.samples import (
    AT,
    accepted,
    completed,
    deferred,
    filled,
    intended,
    later,
    move,
    run_of,
    specs,
)
from tests.ledger.submitting import over, together

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
    "mistold": [intended(), accepted(11), Missed(at=AT, message="another"), accepted(12), completed(12)],
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
        await held.submissions.keep(over(made))
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


@pytest.mark.long
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
