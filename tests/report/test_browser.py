"""The report in a real browser, headless: it opens, it works, and nothing that is in it comes to life."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from batchrun.model.costs import PriceLists, Prices, Usage, Work
from batchrun.model.entries.states import State
from batchrun.model.tasks import FailedTask, FailedTasks
from batchrun.ports.stored import EndedRun, LanePlace
from batchrun.report.bill import bill_of
from batchrun.report.gathering import RowStanding
from batchrun.report.overview import LaneCounts
from tests.builders import run
from tests.report.browser import NEEDS_CHROMIUM, page
from tests.report.samples import at, attempt, hostile, report, row, rows, write

__all__ = ["page"]
pytestmark = NEEDS_CHROMIUM
MOST_BYTES = 10_000_000


async def search(page, text: str) -> str:
    told = await page.ask(
        f"(() => {{ const field = document.getElementById('search'); field.value = {text!r};"
        "field.dispatchEvent(new Event('input'));"
        "return document.getElementById('found').textContent; })()"
    )
    return str(told)


async def ids(page) -> list[str]:
    found: list[str] = await page.ask(
        "[...document.querySelectorAll('#table tbody th')].map(one => one.textContent)"
    )
    return found


async def click(page, selector: str) -> None:
    await page.ask(f"document.querySelector({selector!r}).click()")


@pytest.mark.parametrize("count", [0, 1, 10, 1_000, pytest.param(20_000, marks=pytest.mark.long)])
async def test_it_opens_without_a_complaint_and_without_the_network(page, tmp_path, count):
    path = tmp_path / "r.html"
    write(path, report(rows(count)))
    assert path.stat().st_size < MOST_BYTES
    for scheme, width in (("light", 1280), ("dark", 390)):
        await page.look(width=width, scheme=scheme)
        await page.open(path)
        assert await page.ask("document.documentElement.scrollWidth") <= width
    assert len(await ids(page)) == min(count, 100)
    assert await page.ask("document.querySelectorAll('.bars .name').length") == (
        min(count, 40) + 1 if count else 0
    )
    assert await page.ask("document.querySelectorAll('#timeline canvas').length") == (1 if count else 0)
    assert set(page.requests) == {path.as_uri()}
    assert page.complaints == []


async def test_search_filters_and_order(page, tmp_path):
    write(tmp_path / "r.html", report(rows(1_000)))
    await page.open(tmp_path / "r.html")
    assert await search(page, "") == "1,000 rows"
    assert await search(page, "na00007") == "1 of 1,000 rows"
    assert await ids(page) == ["NA00007"]
    assert await search(page, "import_failed ALIGN") == "33 of 1,000 rows"
    assert await search(page, "nowhere") == "0 of 1,000 rows"
    await click(page, "a[data-reason*=SERVICE]")
    assert (await ids(page))[:2] == ["NA00017", "NA00047"]
    await click(page, ".tile a[data-standing=queued]")
    assert (await ids(page))[0] == "NA00009"
    await click(page, ".controls button:last-child")
    assert len(await ids(page)) == 100
    for first in ("NA00000", "NA00999"):
        await click(page, "#table thead button")
        assert (await ids(page))[0] == first
    await click(page, ".pager button:nth-of-type(2)")
    assert (await ids(page))[0] == "NA00899"
    assert page.complaints == []


async def test_a_row_tells_its_whole_story_and_the_bars_follow_the_table(page, tmp_path):
    write(tmp_path / "r.html", report(rows(1_000)))
    await page.open(tmp_path / "r.html")
    await search(page, "NA00017")
    await click(page, "#table .open")
    assert "task align of 17 failed" in await page.ask("document.querySelector('.whole').textContent")
    assert await page.ask("document.querySelector('.open').getAttribute('aria-expanded')") == "true"
    await click(page, "#follow")
    assert await page.ask("[...document.querySelectorAll('.bars bdi')].map(one => one.textContent)") == [
        "NA00017"
    ]
    assert await page.ask("document.querySelector('.overview').checkVisibility()") is False
    await search(page, "nowhere")
    assert await page.ask("document.querySelectorAll('.bars li').length") == 0
    assert page.complaints == []


async def test_light_and_dark_differ_and_paper_is_light(page, tmp_path):
    write(tmp_path / "r.html", report(rows(100)))
    seen = {}
    for scheme in ("light", "dark"):
        await page.look(scheme=scheme)
        await page.open(tmp_path / "r.html")
        seen[scheme] = await page.ask("getComputedStyle(document.documentElement).backgroundColor")
    assert seen == {"light": "rgb(255, 255, 255)", "dark": "rgb(16, 21, 27)"}
    await page.ask("dispatchEvent(new Event('beforeprint'))")
    assert await page.ask("getComputedStyle(document.documentElement).backgroundColor") == seen["light"]
    await page.ask("dispatchEvent(new Event('afterprint'))")
    assert (await page.print()).startswith(b"%PDF")
    assert page.complaints == []


CONTRAST = """
(() => {
  const style = getComputedStyle(document.documentElement);
  const light = (name) => {
    const hex = style.getPropertyValue(`--${name}`).trim();
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  const words = ["text", "muted", "link"].flatMap((name) => [contrast(name, "page"), contrast(name, "card")]);
  const marks = ["succeeded", "failed", "refused", "cancelled", "deleted", "running", "queued",
    "submitting", "planned"];
  return { words: Math.min(...words), marks: Math.min(...marks.map((name) => contrast(name, "page"))),
    glyphs: Math.min(...marks.map((name) => contrast(name, "on-mark"))) };
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_contrast_is_enough_for_words_and_for_shapes(page, tmp_path, scheme):
    write(tmp_path / "r.html", report(rows(10)))
    await page.look(scheme=scheme)
    await page.open(tmp_path / "r.html")
    found = await page.ask(CONTRAST)
    assert found["words"] >= 4.5  # WCAG 2.2, 1.4.3
    assert found["marks"] >= 3  # WCAG 2.2, 1.4.11
    assert found["glyphs"] >= 3


async def test_hostile_text_stays_text(page, tmp_path):
    write(tmp_path / "r.html", hostile())
    await page.look(width=390)
    await page.open(tmp_path / "r.html")
    await page.ask("document.querySelectorAll('#table .open').forEach(one => one.click())")
    await page.ask("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert await page.ask("document.querySelectorAll('img, main script').length") == 0
    assert "owned" not in str(await page.ask("document.title")).replace("document.title='owned'", "")
    shown = await page.ask(
        "document.getElementById('table').textContent + document.querySelector('.bars').textContent"
    )
    assert "</script><img src=x" in shown
    assert "a\\u202egnp.exe" in shown
    assert "\u202e" not in shown
    assert await page.ask("document.documentElement.scrollWidth") <= 390
    assert await search(page, "onerror") != "0 of 14 rows"
    assert {href for _, href in await page.ask(LINKS) if not href.startswith(OUR_CONSOLE)} == set()
    assert page.complaints == []


OUR_CONSOLE = "https://us-east-1.console.aws.amazon.com/"
LINKS = "[...document.querySelectorAll('main a[target]')].map(one => [one.textContent, one.href])"


async def opened(page, path, made) -> None:
    write(path, made)
    await page.open(path)
    await page.ask("document.querySelectorAll('#table .open').forEach(one => one.click())")


async def test_a_run_leads_to_the_console_its_logs_and_its_outputs(page, tmp_path):
    await opened(page, tmp_path / "r.html", report(rows(8)))
    links = dict(await page.ask(LINKS))
    place = f"{OUR_CONSOLE}cloudwatch/home?region=us-east-1#logsV2:log-groups/log-group"
    stream = f"{place}/$252Faws$252Fomics$252FWorkflowLog/log-events/run$252F1000008"
    uri = "s3://lab-results/cohort/NA00007/1000008"
    assert links["1000008"] == f"{OUR_CONSOLE}omics/home?region=us-east-1#/runs/1000008"
    assert links["run/1000008"] == stream
    assert links["run/1000008/engine"] == f"{stream}$252Fengine"
    assert links["run/1000008/task/7"] == f"{stream}$252Ftask$252F7"
    folder = "cohort%2FNA00007%2F1000008%2F"
    assert links[uri] == f"{OUR_CONSOLE}s3/buckets/lab-results?region=us-east-1&prefix={folder}"
    rels = await page.ask("[...new Set([...document.querySelectorAll('a[target]')].map(one => one.rel))]")
    assert rels == ["noopener noreferrer"]
    assert page.complaints == []


async def test_a_run_s_story_has_its_failed_tasks_and_those_are_found(page, tmp_path):
    await opened(page, tmp_path / "r.html", report(rows(100)))
    story = " ".join(
        (await page.ask("document.querySelector('#table tbody tr:nth-child(16)').textContent")).split()
    )
    assert "Failed taskalign (id 7) OUT_OF_MEMORY_ERROR: killed; log run/1000008/task/7" in story
    assert "Logsrun/1000008/engine, run/1000008 in /aws/omics/WorkflowLog" in story
    assert await search(page, "OUT_OF_MEMORY align") == "10 of 100 rows"


@pytest.mark.parametrize(
    "facts",
    [
        {"run_id": "1/../../iam", "output_uri": "https://evil.example/x"},
        {"run_id": "12?x=#", "output_uri": "s3://b@evil.example/x"},
        {"run_id": None, "output_uri": "s3://UPPER/x"},
        {"run_id": "", "output_uri": "s3:///x"},
        {"run_id": "javascript:alert(1)", "output_uri": "javascript:alert(1)"},
        {"run_id": "1\n2", "output_uri": "s3://lab-results/\ud800"},
    ],
)
async def test_what_has_not_the_form_of_a_run_or_a_place_leads_nowhere(page, tmp_path, facts):
    tasks = FailedTasks(tasks=(FailedTask(id="7", log_stream="run/7 /../x?y#z"),))
    of = [row("a", RowStanding.FAILED, has_logs=True, tasks=tasks, created=at(0), stopped=at(1), **facts)]
    await opened(page, tmp_path / "r.html", report(of))
    assert await page.ask(LINKS) == []
    assert page.complaints == []


async def test_an_output_s_key_stays_within_its_address(page, tmp_path):
    uri = "s3://lab-results/a b/?prefix=x&y=#z/é%2F/"
    await opened(page, tmp_path / "r.html", report([row("a", output_uri=uri)]))
    (_, href), *_ = await page.ask(LINKS)
    key = "a%20b%2F%3Fprefix%3Dx%26y%3D%23z%2F%C3%A9%252F%2F"
    assert href == f"{OUR_CONSOLE}s3/buckets/lab-results?region=us-east-1&prefix={key}"


@pytest.mark.parametrize(
    "region", ["evil.example/", "cn-north-1", "us-gov-west-1", "us-east-1.evil.example#", ""]
)
async def test_a_region_without_this_console_has_no_links(page, tmp_path, region):
    made = report(rows(3))
    await opened(page, tmp_path / "r.html", replace(made, batch=replace(made.batch, region=region)))
    assert await page.ask(LINKS) == []
    assert page.complaints == []


async def test_costs_stand_by_each_run_where_there_are_prices(page, tmp_path):
    prices = Prices(currency="USD", region="us-east-1", instances={"omics.c.large": Decimal(3)}, storage={})
    work = Work(instance_type="omics.c.large", tasks=2, billed=timedelta(minutes=30))
    usage = Usage(status="COMPLETED", running=timedelta(hours=1), storage_type="DYNAMIC", work=(work,))
    spent = [
        EndedRun(position=place, entry_id=f"NA0000{place}", attempt=1, run=run(), usage=used)
        for place, used in enumerate((usage, None))
    ]
    bill = bill_of(spent, PriceLists(lists=(prices,)), None)
    of = [
        replace(one, current=replace(one.current, charged=bill.runs[place]))
        for place, one in enumerate(rows(2))
    ]
    await opened(page, tmp_path / "r.html", replace(report(of), bill=bill))
    told = await page.ask("document.getElementById('costs').parentElement.innerText")
    assert "Estimated, so far\n1.50 USD" in told
    assert "Left out: DYNAMIC storage of 1 run: the API does not report the size used" in told
    table = await page.ask("document.getElementById('table').innerText")
    assert "Cost, USD" in table
    assert "1.50 USD, estimated, without: DYNAMIC storage" in table
    assert "not known, without: not known yet" in table
    await click(page, "#table thead th:nth-child(8) button")
    assert (await ids(page))[0].startswith("NA00000")
    assert page.complaints == []


async def test_the_last_step_stands_within_the_chart(page, tmp_path):
    write(tmp_path / "r.html", report([row("a", created=at(0), started=at(1), stopped=at(100))]))
    await page.open(tmp_path / "r.html")
    # From the right edge of what is drawn to the left, as long as it is of the colour of success alone.
    assert await page.ask(PLATEAU) > 10
    told = await page.ask("document.getElementById('moment').textContent")
    assert told.startswith("2026-11-06 18:40:00 UTC: 0 queued, 0 running"), "not later than the last end"
    last = "document.querySelector('.numbers tbody tr:last-child').textContent"
    assert "18:40:00" in await page.ask(last)
    write(tmp_path / "r.html", report([row("a", RowStanding.RUNNING, created=at(0), started=at(1))]))
    await page.open(tmp_path / "r.html")
    assert (await page.ask("document.getElementById('moment').textContent")).startswith("2026-11-07 05:00:00")


PLATEAU = """
(() => {
  const canvas = document.querySelector('#timeline canvas');
  const pen = canvas.getContext('2d');
  const green = getComputedStyle(document.documentElement).getPropertyValue('--succeeded');
  const [, r, g, b] = /#(..)(..)(..)/.exec(green).map((part) => parseInt(part, 16));
  const isGreen = (x) => { const p = pen.getImageData(x, canvas.height >> 1, 1, 1).data;
    return Math.abs(p[0] - r) + Math.abs(p[1] - g) + Math.abs(p[2] - b) < 12; };
  let right = canvas.width - 1;
  while (right > 0 && !isGreen(right)) right -= 1;
  let left = right;
  while (left > 0 && isGreen(left)) left -= 1;
  return right - left;
})()
"""


async def test_lanes_are_told_apart_and_lead_to_the_console_of_their_region(page, tmp_path):
    moved = attempt(RowStanding.FAILED, run_id="1", uuid="u-1", lane="east", region="us-east-1")
    placed = {"run_id": "2", "uuid": "u-2", "lane": "west", "region": "us-west-2"}
    free = row("b", RowStanding.PLANNED, uuid=None)
    made = report(
        [row("a", RowStanding.SUCCEEDED, moved, output_uri="s3://out/a/", has_logs=True, **placed), free]
    )
    place = LanePlace(name="west", region="us-west-2", account="222222222222")
    lanes = [
        LaneCounts(name="west", place=place, by_state={State.SUCCEEDED: 1}),
        LaneCounts(name=None, place=None, by_state={State.PLANNED: 1}),
    ]
    await opened(page, tmp_path / "r.html", replace(made, lanes=lanes))
    links = await page.ask(LINKS)
    assert {href.split(".")[0] for text, href in links if text in {"u-2", "2", "s3://out/a/"}} == {
        "https://us-west-2"
    }
    assert {href.split(".")[0] for text, href in links if text == "1"} == {"https://us-east-1"}
    assert [href.split(".")[0] for text, href in links if text == "run/2"] == ["https://us-west-2"]
    heads = await page.ask("[...document.querySelectorAll('#table thead th')].map(one => one.textContent)")
    assert heads[:4] == ["Id", "Status", "Lane", "Attempt"]
    assert await search(page, "west") == "1 of 2 rows"
    told = await page.ask("document.querySelector('[aria-labelledby=lanes]').textContent")
    assert "us-west-2" in told
    assert "222222222222" in told
    assert "none (yet)" in told
    assert page.complaints == []


async def test_a_batch_without_lanes_has_no_place_for_them(page, tmp_path):
    await opened(page, tmp_path / "r.html", report(rows(3)))
    assert "Lane" not in await page.ask("document.querySelector('main').innerText")
