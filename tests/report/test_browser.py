"""The report in a real browser, headless: it opens, it works, and nothing that is in it comes to life."""

from __future__ import annotations

import pytest

from tests.report.browser import CHROMIUM, browsing
from tests.report.samples import hostile, report, rows, write

pytestmark = [
    pytest.mark.skipif(
        CHROMIUM is None, reason="needs Chromium: apt-get install --no-install-recommends chromium"
    ),
    pytest.mark.real_time,
]
MOST_BYTES = 10_000_000


@pytest.fixture
async def page():
    async with browsing() as tab:
        yield tab


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


@pytest.mark.parametrize("count", [0, 1, 10, 1_000, 20_000])
async def test_it_opens_without_a_complaint_and_without_the_network(page, tmp_path, count):
    path = tmp_path / "r.html"
    write(path, report(rows(count)))
    assert path.stat().st_size < MOST_BYTES
    for scheme in ("light", "dark"):
        for width in (1280, 390):
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
    assert page.complaints == []
