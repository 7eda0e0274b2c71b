"""Where a program gets what is logged: never on its own stdout."""

from __future__ import annotations

import logging
from pathlib import Path

import structlog

from batchrun.api.logs import lead_to_logging
from tests.api.test_launching import at
from tests.world import simulated


async def launch(folder: Path) -> None:
    async with (
        at(folder, simulated("StartRun:throttle=2x")) as place,
        place.launching(place.manifest(2)) as launched,
    ):
        await launched.wait()


async def test_it_comes_through_logging_and_stdout_is_the_programs_own(tmp_path, capsys, caplog):
    """Seen: each throttled call was printed between the results that a program wrote."""
    caplog.set_level(logging.DEBUG, logger="batchrun")
    await launch(tmp_path)
    structlog.get_logger("theirs").info("theirs")
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["theirs"]
    told = [record for record in caplog.records if record.getMessage().startswith("call_failed ")]
    assert {(record.name, record.levelname) for record in told} == {
        ("batchrun.service.calling.one_try", "DEBUG")
    }


def test_a_message_is_plain_and_has_once_what_logging_adds_to_it(caplog):
    """Seen: a program's log had two times and levels and, in a terminal, colours and all variables."""
    lead_to_logging()
    log = structlog.get_logger("batchrun.somewhere")
    caplog.set_level(logging.INFO, logger="batchrun")
    log.warning("lane_waits", lane="east", why="no answer,\x1b[2J none", exc_info=ValueError("odd"))
    log.debug("call_failed")
    (record,) = caplog.records
    assert record.getMessage() == r"lane_waits lane='east' why='no answer,\x1b[2J none'"
    assert (record.levelname, record.name) == ("WARNING", "batchrun.somewhere")
    assert caplog.text.endswith("ValueError: odd\n")


async def test_a_program_that_has_configured_structlog_gets_it_there(tmp_path, caplog):
    told: list[str] = []

    def take(_logger: object, _method: str, event: structlog.typing.EventDict) -> str:
        told.append(str(event["event"]))
        raise structlog.DropEvent

    structlog.configure(processors=[take])
    await launch(tmp_path)
    assert "call_failed" in told
    assert not caplog.records
