"""What those who look are told as a batch goes on, in virtual time, over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp
import anyio
import pytest

from batchrun.errors import LedgerError
from batchrun.ledger import SqlLedger
from batchrun.model.entries.events import Completed, Failed, Retried
from batchrun.model.planning.limits import Changed
from batchrun.model.tasks import FailedTask, FailedTasks
from batchrun.serve import following, server
from tests.ledger.samples import AT, accepted, intended, move, run_of, specs
from tests.report.samples import HOSTILE
from tests.serve.conftest import Site, filled

ROWS = "/rows?name=cohort"


class Stream:
    """Server-sent events as a browser reads them."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def next(self, kind: str) -> dict[str, Any]:
        """Return the next event of this kind."""
        while True:
            head = await self._answer.content.readline()
            assert head, "the stream has ended"
            if head.startswith(b"event: "):
                data = await self._answer.content.readuntil(b"\n\n")
                if head == f"event: {kind}\n".encode():
                    facts: dict[str, Any] = json.loads(data.removeprefix(b"data: "))
                    return facts


@asynccontextmanager
async def listening(site: Site, name: str | None = "cohort") -> AsyncIterator[Stream]:
    path = "/events" if name is None else f"/events?name={quote(name)}"
    async with site.http.get(site.url + path, headers=site.cookie) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        yield Stream(answer)


async def test_a_launch_is_told_as_it_goes_on(served):
    held = await filled(served.ledger, "a", "b", "c")
    async with listening(served) as stream:
        assert (await stream.next("now"))["said"] == "3 planned, of 3"
        await move(held, "a", intended(), accepted(1))
        now = await stream.next("now")
        assert now["said"] == "1 queued, 2 planned, of 3"
        assert now["shares"][-1] == ["planned", 2]
        await move(held, "a", Completed(at=AT, run=run_of(1, "COMPLETED")))
        now = await stream.next("now")
        assert now["title"] == "33 % cohort"
        assert "1 of 3 rows ended" in now["parts"]["verdict"]
        rows = await served.facts(ROWS)
        assert rows["version"] == now["version"]
        assert (rows["found"], rows["total"], rows["ids"]) == (3, 3, ["a", "b", "c"])


async def test_charts_failures_and_tasks_follow(served):
    held = await filled(served.ledger, "a", "b")
    async with listening(served) as stream:
        await stream.next("sums")
        failed = Failed(at=AT, run=run_of(1, "FAILED", failure_reason="RUN_TASK_FAILED", stop_time=AT))
        await move(held, "a", intended(), accepted(1), failed)
        sums = await stream.next("sums")
        assert sums["reasons"] == ["RUN_TASK_FAILED"]
        assert "RUN_TASK_FAILED" in sums["parts"]["failures"]
        (run,) = await held.unasked(limit=9)
        task = FailedTask(id="1", name="align", failure_reason="OUT_OF_MEMORY_ERROR")
        await held.keep_tasks({run.number: FailedTasks(tasks=(task,))}, at=AT)
        # No event tells of tasks: they are there when everything is added up again.
        while "align" not in (await stream.next("sums"))["parts"]["failures"]:
            pass
        rows = await served.facts(f"{ROWS}&search=align")
        assert rows["ids"] == ["a"]
        await move(held, "a", Retried(at=AT, due=AT, why="asked", request=None))
        while (await stream.next("now"))["said"] != "2 planned, of 2":
            pass
        assert (await served.facts(ROWS))["earlier"]["row"] == [0]


@pytest.mark.real_time
async def test_a_ledger_in_postgresql_is_shown_alike(served_of_postgres):
    site = served_of_postgres
    held = await filled(site.ledger, "a", "b")
    async with listening(site) as stream:
        failed = Failed(at=AT, run=run_of(1, "FAILED", failure_reason="RUN_TASK_FAILED", stop_time=AT))
        await move(held, "a", intended(), accepted(1), failed)
        while (await stream.next("now"))["said"] != "1 failed, 1 planned, of 2":
            pass
        assert (await site.facts(f"{ROWS}&standing=failed"))["ids"] == ["a"]
    assert "1 failed" in (await site.get("/"))[1]
    assert "RUN_TASK_FAILED" in (await site.get("/row?name=cohort&id=a"))[1]


async def test_rows_that_a_manifest_adds_are_read_too(served):
    held = await filled(served.ledger, "a")
    async with listening(served) as stream:
        await stream.next("now")
        await held.sync(specs("a", "b", "c"), changed=Changed.REFUSE, at=AT)
        await move(held, "c", intended())
        assert (await stream.next("now"))["said"] == "1 submitting, 2 planned, of 3"


async def test_all_batches_are_told_and_new_ones_come(served):
    held = await filled(served.ledger, "a", "b", batch="first")
    async with listening(served, None) as stream:
        assert "first" in (await stream.next("batches"))["parts"]["batches"]
        await filled(served.ledger, "a", batch="second")
        assert "second" in (await stream.next("batches"))["parts"]["batches"]
        await move(held, "a", intended(), accepted(1))
        assert "1 queued" in (await stream.next("batches"))["parts"]["batches"]


async def test_a_batch_that_went_on_elsewhere_says_where(served):
    await (await filled(served.ledger, "a")).release()
    ledger = served.ledger
    values = {"why": "moved", "other": "/srv/<team>.db", "at": 0}
    await ledger._worker.run(lambda: ledger._store.run("close_batch", batch=1, **values))
    for path in ("/", "/batch?name=cohort"):
        status, page = await served.get(path)
        assert (status, "went on in another ledger: give --ledger /srv/&lt;team&gt;.db" in page) == (
            200,
            True,
        )


async def test_an_empty_ledger_has_a_page_too(served):
    assert "no batches yet" in (await served.get("/"))[1]


@pytest.mark.parametrize("path", ["/", "/batch?name=cohort", "/row?name=cohort&id=a"])
async def test_each_page_says_at_once_that_the_ledger_is_gone(served, path):
    """Seen: the page of a row did not."""
    await filled(served.ledger, "a")
    served.outdated.reason = "batchrun.db is not there any more; what is shown is from before"
    told = f'role="alert">The ledger cannot be read just now: {served.outdated.reason}</p>'
    assert told in (await served.get(path))[1]


async def test_a_batch_is_read_once_for_all_and_dropped_when_nobody_looks(served, monkeypatch):
    loads: list[str] = []
    load = following.Following.load

    async def counted(self: following.Following) -> None:
        loads.append(self.batch.name)
        await load(self)

    monkeypatch.setattr(following.Following, "load", counted)
    held = await filled(served.ledger, "a")
    async with listening(served) as one, listening(served) as other:
        await move(held, "a", intended())
        for stream in (one, other):
            while (await stream.next("now"))["said"] != "1 submitting, of 1":
                pass
        await served.facts(ROWS)
        assert loads == ["cohort"]
    await anyio.sleep(100)
    await served.facts(ROWS)
    assert loads == ["cohort", "cohort"]


async def test_who_does_not_read_is_dropped(served, monkeypatch):
    monkeypatch.setattr(server, "MOST_STREAMS", 1)
    ids = [f"row{number}" for number in range(12)]
    held = await filled(served.ledger, *ids)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", int(served.url.rpartition(":")[2]), limit=1024
    )
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    head = f"GET /events?name=cohort HTTP/1.1\r\nHost: localhost\r\nCookie: {served.cookie['Cookie']}\r\n\r\n"
    writer.write(head.encode())
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    assert (await served.get("/events?name=cohort"))[0] == 503
    for number, id_ in enumerate(ids):
        long = {"failure_reason": f"{number}", "status_message": "<" * 100_000, "stop_time": AT}
        await move(
            held, id_, intended(), accepted(number), Failed(at=AT, run=run_of(number, "FAILED", **long))
        )
        await anyio.sleep(5)
    await anyio.sleep(60)
    async with listening(served) as stream:
        assert "12 failed" in (await stream.next("now"))["said"]
    writer.close()


async def test_a_ledger_that_cannot_be_read_is_told_and_waited_for(served, monkeypatch):
    held = await filled(served.ledger, "a")

    async def failing(*_: object) -> int:
        raise LedgerError("the disk does not respond properly; check the disk")

    answers = anyio.Event()

    async def silent(*_: object) -> int:
        await answers.wait()
        return 0

    async with listening(served) as stream:
        assert (await stream.next("trouble"))["text"] is None
        with monkeypatch.context() as broken:
            broken.setattr(SqlLedger, "newest_event", failing)
            broken.setattr(SqlLedger, "find_batch", failing)
            assert "check the disk" in (await stream.next("trouble"))["text"]
            assert (await served.get(ROWS))[0] == 200  # as it was when it was read last
            status, text = await served.get("/row?name=cohort&id=a")
            assert (status, "check the disk" in text) == (503, True)
        assert (await stream.next("trouble"))["text"] is None
        with monkeypatch.context() as away:
            away.setattr(SqlLedger, "newest_event", silent)
            assert "has not answered for 15 s" in (await stream.next("trouble"))["text"]
            answers.set()
        assert (await stream.next("trouble"))["text"] is None
        with monkeypatch.context() as away:
            answers = anyio.Event()
            away.setattr(SqlLedger, "find_batch", silent)
            asked = (("/row?name=cohort&id=a", 10), ("/row.json?name=cohort&id=a", 0), ("/batch?name=x", 0))
            for path, waits in asked:
                begun = anyio.current_time()
                status, text = await served.get(path)
                assert (status, "has not answered for 10 s" in text) == (503, True)
                assert anyio.current_time() - begun == pytest.approx(waits, abs=0.5), (
                    "nobody waits for the same"
                )
            assert (await served.get(ROWS))[0] == 200
            answers.set()
            await anyio.sleep(1)
        assert (await served.get("/row?name=cohort&id=a"))[0] == 200
        await move(held, "a", intended())
        assert (await stream.next("now"))["said"] == "1 submitting, of 1"


@pytest.mark.parametrize("path", ["/", "/batch?name=cohort", "/rows?name=cohort"])
async def test_a_page_of_what_was_never_read_says_that_the_ledger_is_silent(served, monkeypatch, path):
    await filled(served.ledger, "a")
    answers = anyio.Event()

    async def silent(*_: object, **__: object) -> object:
        await answers.wait()
        raise LedgerError("it was away")

    monkeypatch.setattr(SqlLedger, "newest_event", silent)
    monkeypatch.setattr(SqlLedger, "batches", silent)
    begun = anyio.current_time()
    status, text = await served.get(path)
    assert (status, "has not answered for 15 s" in text) == (503, True)
    assert anyio.current_time() - begun < 20
    answers.set()


@pytest.mark.parametrize("text", [*HOSTILE[:5], "<b>&amp;", "javascript:alert(1)"])
async def test_hostile_text_goes_over_the_wire_as_text(served, text):
    name, id_ = text.replace("\x00", ""), text.replace("\x00", "") + "1"
    held = await filled(served.ledger, id_, batch=name)
    run = run_of(1, "FAILED", failure_reason=name, status_message=name, output_uri=name, stop_time=AT)
    await move(held, id_, intended(), accepted(1), Failed(at=AT, run=run))
    pages = ["/", f"/batch?name={quote(name, safe='')}"]
    pages.append(f"/row?name={quote(name, safe='')}&id={quote(id_, safe='')}")
    for page in pages:
        status, shown = await served.get(page)
        assert status == 200, shown
        assert "<img" not in shown
        assert "<b>" not in shown
        assert "\u202e" not in shown.replace(f'data-batch="{name}"', "").replace(f'data-row="{id_}"', "")
        assert 'href="javascript:' not in shown
        assert shown.count("<script") == shown.count("</script>") <= 3
