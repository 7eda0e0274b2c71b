"""Where a program gets what is logged: never on its own stdout."""

from __future__ import annotations

import logging
from pathlib import Path

import structlog

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
    told = [record for record in caplog.records if "call_failed" in record.getMessage()]
    assert {(record.name, record.levelname) for record in told} == {
        ("batchrun.service.calling.one_try", "DEBUG")
    }


async def test_a_program_that_has_configured_structlog_gets_it_there(tmp_path, caplog):
    told: list[str] = []

    def take(_logger: object, _method: str, event: structlog.typing.EventDict) -> str:
        told.append(str(event["event"]))
        raise structlog.DropEvent

    structlog.configure(processors=[take])
    await launch(tmp_path)
    assert "call_failed" in told
    assert not caplog.records
