"""What hooks are given."""

from __future__ import annotations

import json
from typing import Any

import pytest

from batchrun.model.entries.events import Failed, Refused
from batchrun.model.notices import Notice
from batchrun.ports.ledger import Ledger
from batchrun.report.summary import LaunchFacts, Summary, summary
from batchrun.version import __version__
from tests.ledger.samples import (
    AT,
    BATCH,
    accepted,
    completed,
    filled,
    intended,
    kept_ledger,
    later,
    move,
    run_of,
)


async def told(notice: Notice = Notice.END, *, failing: int = 2, **facts: Any) -> Summary:
    bad = [f"bad{number}" for number in range(failing)]
    async with kept_ledger() as ledger:
        return await _told(ledger, bad, notice, facts)


async def _told(ledger: Ledger, bad: list[str], notice: Notice, facts: dict[str, Any]) -> Summary:
    held = await filled(ledger, "good", "refused", *bad)
    await move(held, "good", intended(), accepted(1), completed(1))
    await move(held, "refused", intended(), Refused(at=AT, code="ValidationException", message="no"))
    for number, id_ in enumerate(bad, 2):
        run = run_of(number, "FAILED", failure_reason="OUT_OF_MEMORY_ERROR", status_message="secret words")
        await move(held, id_, intended(), accepted(number), Failed(at=AT, run=run))
    known = {"started_at": AT, "results": "/srv/cohort.results.csv", **facts}
    return await summary(ledger, BATCH, notice, LaunchFacts(**known))


async def test_programs_get_names_that_stay():
    found = await told(ended_at=later(minutes=5), exit_code=1, stop="finished")
    assert json.loads(json.dumps(found.facts())) == {
        "notice": "end",
        "batch": "cohort",
        "text": found.text,
        "title": "cohort has ended: 1 succeeded, 2 failed, 1 refused (of 4)",
        "exit_code": 1,
        "exitCode": 1,
        "stop": "finished",
        "error": None,
        "total": 4,
        "counts": {
            "planned": 0,
            "submitting": 0,
            "queued": 0,
            "running": 0,
            "succeeded": 1,
            "failed": 2,
            "cancelled": 0,
            "deleted": 0,
            "refused": 1,
        },
        "failures": [
            {
                "status": "FAILED",
                "failureReason": "OUT_OF_MEMORY_ERROR",
                "count": 2,
                "owner": "the workflow's author",
                "action": "give the failed task more memory",
                "ids": ["bad0", "bad1"],
            },
            {
                "status": "REFUSED",
                "failureReason": "ValidationException",
                "count": 1,
                "owner": "you",
                "action": "correct the row as the message says, then run with --changed resubmit; "
                "if right, batchrun retry",
                "ids": ["refused"],
            },
        ],
        "results": "/srv/cohort.results.csv",
        "started_at": "2026-01-01T12:00:00.000Z",
        "ended_at": "2026-01-01T12:05:00.000Z",
        "startedAt": "2026-01-01T12:00:00.000Z",
        "endedAt": "2026-01-01T12:05:00.000Z",
        "version": __version__,
    }


async def test_people_get_words_that_say_whose_job_it_is():
    found = await told(ended_at=later(minutes=5), exit_code=1, stop="finished")
    assert found.text == (
        "cohort has ended: 1 succeeded, 2 failed, 1 refused (of 4)\n"
        "\n"
        "FAILED OUT_OF_MEMORY_ERROR: 2 rows\n"
        "  for the workflow's author: give the failed task more memory\n"
        "  bad0, bad1\n"
        "\n"
        "REFUSED ValidationException: 1 row\n"
        "  for you: correct the row as the message says, then run with --changed resubmit; "
        "if right, batchrun retry\n"
        "  refused\n"
        "\n"
        "results: /srv/cohort.results.csv\n"
    )


async def test_of_many_failures_twenty_are_named():
    found = await told(failing=30)
    failures: Any = found.facts()["failures"]
    assert (failures[0]["count"], len(failures[0]["ids"])) == (30, 20)
    assert "bad19, ...\n" in found.text


@pytest.mark.parametrize(
    ("notice", "words"),
    [
        (Notice.FAILURE, "cohort has a first failure: "),
        (Notice.STOPPED, "cohort stopped and needs attention: "),
    ],
)
async def test_each_notice_says_what_it_is(notice, words):
    found = await told(notice, error="no AWS credentials\nfound")
    assert found.title.startswith(words)
    assert (found.facts()["exitCode"], found.facts()["endedAt"]) == (None, None)
    assert "\nno AWS credentials found\n" in found.text
