"""Killing a launch over two lanes: an account and a region each, rows for either, for both, and a retry's."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from batchrun.points import Point
from tests.crash.harness import AWS, FAULTS, Aftermath, ServedApart, Victim, attacked, forgetting, told
from tests.nursery import PATIENCE

ACCOUNTS = {"east": "111111111111", "west": "222222222222"}
#: Row by row, from the front again.
MAY_TAKE = (("east",), ("west",), ("east", "west"), ("west", "east"))
#: Of the first row, which has no lane but east until then.
MOVES = "{reason: RUN_TASK_FAILED, times: 1, change: {lane: west}}"
FAILS_IN_EAST = "s3://lab-east/cohort/s000/=1:RUN_TASK_FAILED"
#: As without lanes, and what goes wrong in one of them alone.
LANE_FAULTS = {
    name: FAULTS[name]
    for name in (
        "nothing",
        "lost answers",
        "says that runs are gone",
        "forgets requestIds",
        "an old ledger, and forgets requestIds",
    )
} | {
    "garbled and dropped in west": (
        "west/StartRun:truncated_after=0.3,west/StartRun:drop_after=0.3,west/GetRun:drop_before=0.2"
    ),
    "east throttles": "east/*:throttle=0.4",
}


class ServedLanes(ServedApart):
    """The services of two accounts, each in a region of its own, behind one address."""

    def __init__(
        self, folder: Path, faults: str, *options: str, accounts: Mapping[str, str] = ACCOUNTS
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "lanes.yaml").write_text(table(accounts), encoding="utf-8")
        super().__init__(folder, faults, "--lanes", "lanes.yaml", "--fail-first", FAILS_IN_EAST, *options)
        self._urls = told(f"{self.url}/_simulator/lanes")

    def urls(self) -> Mapping[str, str]:
        return self._urls

    def reached_by(self) -> tuple[list[str], Mapping[str, str]]:
        return [], {**AWS, "AWS_ENDPOINT_URL": self.url}

    def script(self, lane: str, faults: str) -> None:
        """Let these faults and no others strike in one lane from now on."""
        request = urllib.request.Request(
            f"{self._urls[lane]}/_simulator/faults",
            data=json.dumps({"replace": faults}).encode(),
            headers={"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=PATIENCE).close()


def table(accounts: Mapping[str, str]) -> str:
    """Write two lanes; the second is reached by a role that the first one's credentials assume."""
    role = f"arn:aws:iam::{accounts['west']}:role/launcher"
    return (
        f'east: {{region: us-east-1, account: "{accounts["east"]}"}}\n'
        f"west: {{region: us-west-2, role: {role}, set: {{roleArn: {role}}}}}\n"
    )


class LaneVictim(Victim):
    """A user's folder with a manifest over two lanes."""

    def manifest(self) -> list[str]:
        lanes = table(ACCOUNTS).splitlines()
        rows = [f"{{id: {id}, lane: [{', '.join(may_take(id))}]}}" for id in self.ids()]
        lines = [
            "lanes:",
            *(f"  {lane}" for lane in lanes),
            "defaults:",
            '  workflowId: "1234567"',
            f"  roleArn: arn:aws:iam::{ACCOUNTS['east']}:role/omics",
            "  outputUri: s3://lab-{lane}/{batch}/{id}/",
            f"retry: [{MOVES}]",
            "runs:",
            *(f"  - {row}" for row in rows),
        ]
        (self.folder / "cohort.yaml").write_text("\n".join(lines), encoding="utf-8")
        return ["cohort.yaml", "--retry-wait", "0.1s"]

    def judge(self) -> int:
        """Hold the laws, and that each attempt is in a lane that it may take."""
        for run in self._served.runs():
            tags = run["tags"]
            is_led = tags["batchrun:id"] == "s000" and tags["batchrun:attempt"] != "1"
            assert run["lane"] in (["west"] if is_led else may_take(tags["batchrun:id"])), tags
        return super().judge()


def may_take(id: str) -> tuple[str, ...]:
    return MAY_TAKE[int(id[1:]) % len(MAY_TAKE)]


def attack_lanes(folder: Path, point: Point, fault: str) -> Aftermath:
    """Kill a launch over two lanes at *point* under *fault*, and again, then let one finish."""
    served = ServedLanes(folder, LANE_FAULTS[fault], *forgetting(fault))
    return attacked(LaneVictim, served, folder, point, fault)
