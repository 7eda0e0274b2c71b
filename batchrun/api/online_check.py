"""A manifest held against the service: workflows, quotas, inputs. Nothing is submitted."""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING

from batchrun.api.input_check import Means, look_for_inputs
from batchrun.api.online_lanes import ask_lanes, inputs_in_lanes
from batchrun.api.online_rows import Answers, ask, hold
from batchrun.api.opening import Opening
from batchrun.clock import SystemClock
from batchrun.model.paces.pace import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from batchrun.api.input_check import Inputs
    from batchrun.api.objects import OneLogin
    from batchrun.manifest import Manifest
    from batchrun.manifest.spool import RowPlaces
    from batchrun.model.paces.pace import Rate

    Watched = Callable[[], AbstractContextManager[Callable[[Inputs], None]]]


async def examine(
    manifest: Manifest, places: RowPlaces, login: OneLogin, *, read_rate: Rate, watched: Watched | None
) -> Answers:
    """
    Ask the service about the manifest, or each of its lanes about what may go there.

    Args:
        manifest: Whose rows.
        places: Where each row stands.
        login: To which service; how patiently, where there are lanes.
        read_rate: Calls per second of each operation.
        watched: Makes what is told of each input that was seen in S3; None where they are not looked for.

    Raises:
        ServiceError: The service cannot be asked.
    """
    answers = Answers()
    clock = SystemClock()
    today = clock.utcnow().date()
    async with Opening(
        None, target=login.target, login=login, rate=UNLIMITED, read_rate=read_rate, clock=clock
    ) as opened:
        if manifest.lanes:
            await ask_lanes(opened, manifest, places, answers, today)
        else:
            workflows = await ask(await opened.service(), manifest, answers)
            answers.engines = hold(manifest, workflows, places, answers.problems, today)
    if watched is not None:
        rng = random.Random()  # noqa: S311 (no secret)
        with watched() as told:
            means = partial(Means, rate=read_rate, clock=clock, rng=rng, told=told)
            if manifest.lanes:
                await inputs_in_lanes(opened, manifest, places, answers, means)
            else:
                own = means(login=opened.login())
                answers.inputs = await look_for_inputs(manifest, places, own, answers.problems)
                answers.warnings += answers.inputs.warnings
                answers.broken = answers.inputs.broken
    return answers
