"""The live pages in a real browser, headless: they work, they follow, and nothing in them comes to life."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import quote

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from batchrun.clock import SystemClock
from batchrun.model.entries.events import Completed, Failed
from batchrun.model.spec import Spec
from tests.ledger.samples import AT, accepted, intended, later, move, run_of, spec
from tests.report.browser import NEEDS_CHROMIUM, Page, page
from tests.report.samples import HOSTILE
from tests.serve.conftest import Site, filled, site

__all__ = ["page"]
pytestmark = NEEDS_CHROMIUM
BATCH = "/batch?name=cohort"
IDS = "[...document.querySelectorAll('#table tbody th')].map(one => one.textContent)"
SAYS = "document.getElementById('found').textContent"
IS_LIVE = "document.getElementById('connection').textContent.trim() === 'live'"


async def until(page: Page, expression: str, wanted: object = True) -> None:  # noqa: FBT002 (what an answer is compared to)
    """Wait until the page answers so; how long that takes is no matter."""
    deadline = time.monotonic() + 60
    while (found := await page.ask(expression)) != wanted:
        assert time.monotonic() < deadline, (expression, found, page.complaints)
        await asyncio.sleep(0.05)


async def enter(page: Page, site: Site, path: str = "/") -> None:
    await page.visit(site.link)
    if path != "/":
        await page.visit(site.url + path)
    await until(page, IS_LIVE)


async def press(page: Page, key: str, code: int = 0, text: str = "") -> None:
    facts = {"key": key, "windowsVirtualKeyCode": code, "code": key}
    await page.send("Input.dispatchKeyEvent", type="keyDown", text=text, **facts)
    await page.send("Input.dispatchKeyEvent", type="keyUp", **facts)


async def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the element has the focus, and is seen to have it."""
    is_there = f"document.activeElement.matches({selector!r})"
    for _ in range(150):
        await press(page, "Tab", 9)
        if await page.ask(is_there):
            break
    assert await page.ask(is_there), selector
    assert await page.ask("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def rows(count: int) -> list[Spec]:
    return [spec(f"s{number:05}", number) for number in range(count)]


async def test_the_link_lets_in_and_every_page_opens_without_a_complaint(page, served_now):
    held = await filled(served_now.ledger, "a", "b", "c")
    failed = Failed(
        at=AT, run=run_of(1, "FAILED", failure_reason="RUN_TASK_FAILED", stop_time=later(hours=1))
    )
    await move(held, "a", intended(), accepted(1), failed)
    await enter(page, served_now)
    assert await page.ask("location.href") == served_now.url + "/"
    for path in ("/", BATCH, "/row?name=cohort&id=a"):
        for scheme, width in (("light", 1280), ("dark", 375)):
            await page.look(width=width, scheme=scheme)
            await page.visit(served_now.url + path)
            await until(page, IS_LIVE)
            assert await page.ask("document.documentElement.scrollWidth") <= width, path
            colour = await page.ask("getComputedStyle(document.documentElement).backgroundColor")
            assert colour == {"light": "rgb(255, 255, 255)", "dark": "rgb(16, 21, 27)"}[scheme]
    assert {url.split("?")[0].rpartition("/")[0] for url in page.requests} == {served_now.url}
    assert page.complaints == []


async def test_a_link_that_was_clicked_in_another_sites_page_lets_in_at_once(page, served_now):
    """As from mail in a browser: to one, localhost and 127.0.0.1 are different sites."""

    async def mail(_: web.BaseRequest) -> web.Response:
        return web.Response(text=f'<a href="{served_now.link}">look</a>', content_type="text/html")

    async with RawTestServer(mail, host="127.0.0.1") as elsewhere:
        await filled(served_now.ledger, "a")
        for link in (served_now.link, served_now.url + BATCH):
            await page.visit(f"http://localhost:{elsewhere.port}/")
            await page.ask(f"document.querySelector('a').href = {link!r}")
            await page.ask("document.querySelector('a').click()")
            await until(page, "location.host", served_now.url.removeprefix("http://"))
            await until(page, "document.readyState", "complete")
            assert "Not known here" not in await page.ask("document.body.textContent"), link
            await until(page, IS_LIVE)


async def test_what_happens_arrives_without_the_page_being_loaded_again(page, served_now):
    held = await filled(served_now.ledger, "a", "b", "c")
    await enter(page, served_now, BATCH)
    await page.ask("window.isTheSamePage = true")
    await page.ask("document.querySelector('#table .open').click()")
    await page.ask("document.querySelector('#table .open').focus()")
    await move(held, "b", intended(), accepted(1))
    await until(page, "document.querySelector('[data-standing=queued] .number').textContent", "1")
    await until(page, "document.querySelectorAll('#table tbody .mark.queued').length", 1)
    await move(held, "a", intended(), accepted(2), Completed(at=AT, run=run_of(2, "COMPLETED")))
    await until(page, "document.querySelectorAll('#table tbody .mark.succeeded').length", 1)
    assert await page.ask("document.querySelector('#table .open').getAttribute('aria-expanded')") == "true"
    assert await page.ask("document.activeElement.textContent") == "a"
    assert "33 %" in await page.ask("document.title")
    await until(page, "document.querySelector('[data-part=facts]').textContent.includes('2026-01-01')")
    assert await page.ask("window.isTheSamePage") is True
    assert page.complaints == []


async def test_the_ring_around_what_has_the_focus_is_seen_whole(page, served_now):
    """What scrolls cut its left edge off, which is how a sighted user of the keyboard finds the place."""
    await filled(served_now.ledger, "a", "b")
    await enter(page, served_now, BATCH)
    await tab_to(page, "#table .open")
    ring = (
        "(e => { const b = e.getBoundingClientRect(), s = getComputedStyle(e),"
        " r = parseFloat(s.outlineWidth) + parseFloat(s.outlineOffset),"
        " o = e.closest('.scroll').getBoundingClientRect();"
        " return [b.left - r >= o.left, b.right + r <= o.right, b.top - r >= o.top]"
        " })(document.activeElement)"
    )
    assert await page.ask(ring) == [True, True, True]
    assert await page.ask("document.documentElement.scrollWidth <= innerWidth")


async def test_a_rows_story_and_the_list_of_batches_follow_too(page, served_now):
    held = await filled(served_now.ledger, "a")
    await enter(page, served_now, "/row?name=cohort&id=a")
    events = "document.querySelectorAll('.events li').length"
    assert await page.ask(events) == 0
    await move(held, "a", intended(), accepted(1))
    await until(page, events, 2)
    await until(page, "document.querySelector('.verdict').textContent.includes('PENDING')")
    await page.visit(served_now.url)
    other = await filled(served_now.ledger, "a", batch="another")
    await move(other, "a", intended())
    await until(page, "document.querySelectorAll('.batches tbody tr').length", 2)
    assert page.complaints == []


async def test_what_happens_before_the_connection_is_made_is_shown_too(page, served_now):
    held = await filled(served_now.ledger, "a")
    await page.visit(served_now.link)
    events = "document.querySelectorAll('.events li').length"
    async with page.held_back("*/events*"):
        await page.visit(served_now.url + "/row?name=cohort&id=a")
        assert await page.ask(events) == 0
        await move(held, "a", intended(), accepted(1))
    await until(page, events, 2)
    assert page.complaints == []


@pytest.mark.long
async def test_twenty_thousand_rows_are_searched_filtered_and_ordered_by_keyboard(page, served_now):
    held = await filled(served_now.ledger, *rows(20_000))
    for number in (7, 9_000, 19_999):
        failed = Failed(at=AT, run=run_of(number, "FAILED", failure_reason="RUN_TASK_FAILED"))
        await move(held, f"s{number:05}", intended(), accepted(number), failed)
    await enter(page, served_now, BATCH)
    assert await page.ask(SAYS) == "20,000 rows"
    assert len(await page.ask(IDS)) == 100
    await press(page, "Tab", 9)
    assert await page.ask("document.activeElement.className") == "skip"
    await press(page, "Enter", 13, "\r")
    assert await page.ask("document.activeElement.id") == "runs"
    await tab_to(page, "#search")
    await page.send("Input.insertText", text="s0900")
    await until(page, SAYS, "10 of 20,000 rows")
    await tab_to(page, "select")
    await press(page, "f", 70, "f")
    await until(page, IDS, ["s09000"])
    assert await page.ask("new URLSearchParams(location.search).get('standing')") == "failed"
    await tab_to(page, ".controls button")
    await press(page, "Enter", 13, "\r")
    await until(page, SAYS, "20,000 rows")
    await tab_to(page, "thead button")
    for first in ("s00000", "s19999"):
        await press(page, "Enter", 13, "\r")
        await until(page, f"({IDS})[0]", first)
    assert await page.ask("document.querySelector('th[aria-sort]').textContent") == "Id"
    await tab_to(page, ".pager button:enabled")
    await press(page, "Enter", 13, "\r")
    await until(page, f"({IDS})[0]", "s19899")
    await page.ask("document.querySelector('.tile a[data-standing=failed]').click()")
    await until(page, IDS, ["s19999", "s09000", "s00007"])
    assert page.complaints == []


async def test_a_link_to_what_was_searched_shows_it_again(page, served_now):
    await filled(served_now.ledger, *rows(200))
    await enter(page, served_now, f"{BATCH}&search=s0001&sort=id&down=1")
    assert (await page.ask(IDS))[:2] == ["s00019", "s00018"]
    assert await page.ask("document.getElementById('search').value") == "s0001"
    assert page.complaints == []


@pytest.mark.parametrize("text", [HOSTILE[0], HOSTILE[2], HOSTILE[4].replace("\x00", "")])
async def test_hostile_text_stays_text(page, served_now, text):
    held = await filled(served_now.ledger, text, batch=text)
    run = run_of(1, "FAILED", failure_reason=text, status_message=text, output_uri=f"javascript:{text}")
    await move(held, text, intended(), accepted(1), Failed(at=AT, run=run))
    name = quote(text, safe="")
    await enter(page, served_now)
    for path in ("/", f"/batch?name={name}", f"/row?name={name}&id={name}"):
        await page.look(width=375)
        await page.visit(served_now.url + path)
        await until(page, IS_LIVE)
        await page.ask("document.querySelectorAll('#table .open').forEach(one => one.click())")
        await page.ask("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert await page.ask("document.querySelectorAll('img, main script, [onmouseover]').length") == 0
        assert await page.ask("document.documentElement.scrollWidth") <= 375
        shown = await page.ask("document.body.innerText")
        assert "\u202e" not in shown
        assert await page.ask("document.title") != "owned"
        links = await page.ask("[...document.querySelectorAll('main a')].map(one => one.protocol)")
        assert set(links) <= {"http:", "https:"}
    await page.visit(served_now.url)
    await page.visit(await page.ask("document.querySelector('.batches a').href"))
    await until(page, "document.querySelectorAll('#table tbody th').length", 1)
    assert page.complaints == []


async def test_a_server_that_ends_is_told(page, tmp_path):
    async with site(tmp_path, SystemClock()) as one:
        await enter(page, one)
    await until(page, "document.getElementById('connection').className", "connection lost")
