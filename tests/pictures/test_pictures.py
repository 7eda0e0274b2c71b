"""The pictures of the README at their smallest, so that the script cannot rot."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from batchrun.report.html import render
from tests.pictures.draw import live_view, report
from tests.pictures.launch import launched
from tests.report import samples
from tests.report.browser import CHROMIUM


@pytest.mark.long
async def test_the_live_view_is_a_picture_that_fetches_nothing(tmp_path):
    seen = await launched(tmp_path, rows=12)
    pictures = live_view(seen.live, "batchrun run cohort.csv")
    assert set(pictures) == {"light", "dark"}
    for svg in pictures.values():
        text = "".join(ET.fromstring(svg).itertext()).replace("\xa0", " ")
        assert "$ batchrun run cohort.csv" in text
        assert "/12" in text
        assert "url(" not in svg.replace("url(#", "")
    assert "cohort" in render(seen.report)


@pytest.mark.real_time
@pytest.mark.skipif(CHROMIUM is None, reason="this machine has no Chromium")
async def test_the_report_is_a_picture_for_light_and_dark(tmp_path):
    pictures = await report(samples.report(samples.rows(12)), tmp_path / "report.html")
    assert {scheme: png[:4] for scheme, png in pictures.items()} == {
        "light": b"\x89PNG",
        "dark": b"\x89PNG",
    }
    assert pictures["light"] != pictures["dark"]
