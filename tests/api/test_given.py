"""What a program may give that no launch can use: each is an error that says so, and none waits for ever."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import decimal
import enum
import math
import re
import sqlite3
from pathlib import Path
from typing import Any

import anyio
import pytest

from batchrun import (
    Limits,
    ManifestError,
    Mode,
    Rate,
    RetryPolicy,
    RetryRule,
    Sheet,
    StopAfter,
    UsageError,
    load_manifest,
    open_ledger,
    retry,
    write_results,
)
from batchrun.api.opening import Opening
from tests.api.test_launching import SETS, at


def limited(**wrong: Any) -> Limits:
    return Limits(**wrong)


def changing(change: Any) -> Limits:
    return Limits(retry=RetryPolicy(rules=(RetryRule(reason="*", times=1, change=change),)))


def problems(rows: Any) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        load_manifest(rows, batch="b", sets=SETS)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (math.nan, "<rows>:2: parameters.x: nan is not a number of JSON; leave the field out where"),
        (-math.inf, "<rows>:2: parameters.x: -inf is not a number of JSON"),
        (
            {"deep": [1, b"a"]},
            "<rows>:2: parameters.x.deep[1]: \"b'a'\", of type bytes, is not JSON; give text",
        ),
        (decimal.Decimal("1.5"), "<rows>:2: parameters.x: '1.5', of type Decimal, is not JSON; give text"),
        (dt.date(2026, 1, 2), "<rows>:2: parameters.x: '2026-01-02', of type date, is not JSON"),
        (Path("/a"), "<rows>:2: parameters.x: '/a', of type PosixPath, is not JSON; give text"),
        ({1: "a", "1": "b"}, "<rows>:2: parameters.x: the name 1 is not text, and another is the same as"),
        ({None: "a"}, "<rows>:2: parameters.x: the name None is not text; give each name as text"),
    ],
)
def test_a_value_that_json_would_lose_or_change_is_told_with_its_place(value, says):
    rows = [{"id": "A", "parameters": {"x": 1}}, {"id": "B", "parameters": {"x": value}}]
    (problem,) = problems(rows)
    assert problem.startswith(says)


def test_all_rows_are_looked_at_and_what_is_no_row_is_told():
    own: list[Any] = []
    own.append(own)
    rows = [{"id": "A", "parameters": {"x": math.nan}}, "B", {"id": "C", "parameters": {"x": own}}]
    first, second, third = problems(rows)
    assert first.startswith("<rows>:1: parameters.x: nan")
    assert second.startswith("<rows>:2: 'B', of type str, is not a row; give a list of rows, each a mapping")
    assert third.startswith("<rows>:3: parameters.x[0]")
    assert "too deep" in third


def test_a_tree_whose_nodes_name_each_other_is_told_at_once():
    """Seen: each way through it was gone to its end, so that nobody lived to see that."""
    tree: dict[str, Any] = {"children": []}
    tree["children"] = [{"parent": tree}, {"parent": tree}]
    assert len(problems([{"id": "A", "parameters": {"x": tree}}])) == 2


class Column(str, enum.Enum):  # noqa: UP042 (whose str() is the name)
    PATIENT = "patient"


def test_what_can_be_used_is_used(tmp_path):
    """Seen: a text of an enumeration was its name, and rows of sqlite3 and names of numbers were refused."""
    (tmp_path / "s.csv").write_text("patient,reads\nA,s3://b/1\n", encoding="utf-8")
    sheet = Sheet(id="{patient}", group_by=Column.PATIENT, columns_as_parameters=[Column.PATIENT])
    fields = ["workflowId=7", "roleArn=arn:aws:iam::123456789012:role/omics", "outputUri=s3://lab/o/"]
    with load_manifest(tmp_path / "s.csv", sheet=sheet, sets=fields) as manifest:
        (spec,) = manifest.specs()
    assert '"patient":"A"' in spec.request
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.row_factory = sqlite3.Row
        found = database.execute("SELECT 'A' AS id, 's3://lab/o/' AS outputUri").fetchall()
    with load_manifest(found, batch="b", sets=fields[:2]) as manifest:
        assert [spec.id for spec in manifest.specs()] == ["A"]
    with load_manifest([{"id": "A", "parameters": {"x": {1: "y"}}}], batch="b", sets=fields) as manifest:
        assert '{"1":"y"}' in next(iter(manifest.specs())).request


def test_a_lone_text_is_one_and_not_its_letters(tmp_path):
    defaults = tmp_path / "lab.yaml"
    defaults.write_text("workflowId: 7\n", encoding="utf-8")
    (tmp_path / "p.json").write_text('{"y": 2}', encoding="utf-8")
    rows = [{"id": "A", "roleArn": "arn:aws:iam::123456789012:role/omics", "outputUri": "s3://lab/o/"}]
    own = str(tmp_path / "p.json")
    for given in (str(defaults), defaults):
        with load_manifest(
            rows, batch="b", defaults=given, parameters_from=own, sets="priority=3"
        ) as manifest:
            (spec,) = manifest.specs()
        assert '"workflowId":"7"' in spec.request
        assert '"y":2' in spec.request
        assert '"priority":3' in spec.request


async def test_a_lone_condition_id_and_column_is_one(tmp_path):
    async with at(tmp_path) as place:
        manifest = place.manifest(2)
        async with place.launching(manifest) as launch:
            await launch.wait()
        async with open_ledger(place.ledger) as ledger:
            path = tmp_path / "r.csv"
            assert await write_results(ledger, "cohort", path, columns="id,status", where="id=s001") == 1
        assert path.read_text(encoding="utf-8").split() == ["id,status", "s001,COMPLETED"]
        with pytest.raises(UsageError, match="no entry s9"):
            await retry("cohort", ledger=place.ledger, ids="s9")
        assert not (await retry("cohort", ledger=place.ledger, where="status=FAILED")).ids


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (Limits(concurrency=0), "Limits.concurrency is 0: nothing would ever be started; give 1 or more"),
        (Limits(max_active=0), "Limits.max_active is 0: nothing would ever be started"),
        (Limits(account_max_active=-1), "Limits.account_max_active is -1: nothing would ever be started"),
        (Limits(stop_after=StopAfter(count=0)), "StopAfter.count is 0: nothing would ever be started"),
        (
            Limits(stop_after=StopAfter(percent=0)),
            "StopAfter.percent is 0; give more than 0, and at most 100",
        ),
        (Limits(patience=math.nan), "Limits.patience is nan; give a number of seconds"),
    ],
)
async def test_limits_within_which_nothing_can_be_done_are_refused(tmp_path, limits, says):
    async with at(tmp_path) as place:
        with pytest.raises(UsageError, match=says):
            async with place.launching(place.manifest(1), limits):
                pass
        assert not place.ledger.exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"changed": "refuse"}, "changed is 'refuse'; give a Changed, such as Changed.KEEP"),
        ({"limits": limited(changed="keep")}, "Limits.changed is 'keep'; give a Changed, such as"),
        ({"limits": limited(mode="once")}, "Limits.mode is 'once'; give a Mode, such as Mode.ONCE"),
        ({"limits": limited(engine="auto")}, "Limits.engine is 'auto'; give an Engine, such as Engine.AUTO"),
        ({"limits": limited(stop_after=5)}, "Limits.stop_after is 5; give a StopAfter, such as"),
        ({"limits": limited(retry=[])}, "Limits.retry is of type list; give a RetryPolicy, such as"),
        ({"limits": limited(max_active="5")}, "Limits.max_active is '5'; give a whole number, 1 or more"),
        ({"limits": {"mode": Mode.ONCE}}, "limits is of type dict; give Limits"),
        ({"deadline": "50m"}, "deadline is '50m'; give a number of seconds"),
        (
            {"limits": changing({"parameters": {"m": 1}})},
            "RetryRule.change is of type dict; give JSON as text",
        ),
        (
            {"limits": changing("{m: 1}")},
            "RetryRule.change is '{m: 1}'; give JSON as text, such as json.dumps",
        ),
        ({"limits": changing("[1]")}, "RetryRule.change is '.1.'; give JSON as text"),
    ],
)
async def test_what_is_not_of_its_type_is_told_before_anything_is_sent(tmp_path, options, says):
    """Seen: with ``mode="once"`` a launch watched to the end, and ``changed="keep"`` was taken in silence."""
    async with at(tmp_path) as place:
        with pytest.raises(UsageError, match=says):
            async with place.launching(place.manifest(1), **options):
                pass
        assert not place.ledger.exists()


def test_targets_rates_and_sheets_are_told_likewise_and_no_credential_is():
    five: Any = 5
    for name in ("rate", "read_rate"):
        wrong: dict[str, Any] = {name: five}
        with pytest.raises(UsageError, match=f"{name} is 5; give AUTO, UNLIMITED, or calls per second: Rate"):
            Opening(None, **wrong)
    secret: Any = {"aws_secret_access_key": "Xyz"}
    with pytest.raises(UsageError, match="target is of type dict; give a Target, such as") as caught:
        Opening(None, target=secret)
    assert "Xyz" not in str(caught.value)
    profile: Any = "lab"
    with pytest.raises(UsageError, match="target is 'lab'; give a Target, such as"):
        load_manifest([{"id": "A"}], batch="b", target=profile)
    with pytest.raises(UsageError, match="sheet is of type dict; give a Sheet, such as"):
        load_manifest([{"id": "A"}], batch="b", sheet=secret)


async def test_what_open_ledger_says_that_there_is_is_there(tmp_path):
    """It named methods that had moved."""
    async with at(tmp_path) as place:
        async with place.launching(place.manifest(2)) as launch:
            await launch.wait()
        async with open_ledger(place.ledger) as ledger:
            (batch,) = await ledger.batches()
            stored = ledger.batch(batch.name)
            assert (await stored.counts()).total == 2
            entry = await stored.entry("s001")
            assert entry is not None
            assert len(await stored.history("s001")) > 2
            outcomes = [outcome.entry.id async for outcome in stored.story.outcomes()]
    assert outcomes == ["s000", "s001"]
    named = set(re.findall(r"``[\w.()]+``", str(open_ledger.__doc__)))
    told = {"batches()", "batch(name)", "counts()", "entry(id)", "history(id)", "story.outcomes()"}
    assert named == {f"``{one}``" for one in told}


@pytest.mark.parametrize("most", [0.0, -1.0, math.nan])
def test_a_rate_at_which_nothing_is_called_is_refused(most):
    with pytest.raises(UsageError, match=f"Rate.most is {most}; give "):
        Opening(None, rate=Rate(most=most))
    with pytest.raises(UsageError, match=f"Rate.most is {most}; give "):
        Opening(None, read_rate=Rate(most=most))


async def test_a_launch_that_was_left_before_it_began_lets_nobody_wait(tmp_path):
    async with at(tmp_path) as place:
        async with place.launching(place.manifest(1)) as launch:
            early = launch.steps()
        with anyio.fail_after(60):
            with pytest.raises(UsageError, match="was left before it began, and nothing was submitted"):
                await launch.wait()
            for steps in (early, launch.steps()):
                with pytest.raises(UsageError, match="was left before it began"):
                    await anext(steps)


async def test_a_launch_that_is_cancelled_before_it_began_lets_nobody_wait(tmp_path):
    async with at(tmp_path) as place:
        kept, is_held = [], anyio.Event()

        async def held() -> None:
            async with place.launching(place.manifest(1)) as launch:
                kept.append(launch)
                is_held.set()
                await anyio.sleep_forever()

        task = asyncio.create_task(held())
        await is_held.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with anyio.fail_after(60), pytest.raises(UsageError, match="was left before it began"):
            await kept[0].wait()


def test_a_manifest_that_was_closed_says_so():
    with load_manifest([{"id": "A"}], batch="b", sets=SETS) as manifest:
        pass
    with pytest.raises(UsageError, match="the manifest was closed; keep what needs it within its 'with'"):
        list(manifest.specs())


def test_another_loop_than_asyncio_s_is_told(tmp_path):
    def begun(coroutine: Any) -> None:
        # As trio does: without a loop of asyncio.
        with pytest.raises(UsageError, match=r"batchrun runs on asyncio, .*such as trio; begin it with"):
            coroutine.send(None)

    begun(open_ledger(tmp_path / "x.db").__aenter__())
    begun(Opening(tmp_path / "x.db").__aenter__())
