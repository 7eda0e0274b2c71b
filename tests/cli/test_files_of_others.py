"""Files that other tools wrote, given as they are: what reaches the service."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from tests.cli.conftest import DEFAULTS, Shell, Simulated

FAST = ("--rate", "unlimited", "--read-rate", "unlimited", "--poll-interval", "0.2s")
PARAMS = "input: s3://lab/sheets/run7.csv\ngenome: GRCh38\nskip_qc: true\nmax_memory: 128.GB\n"


def requests(simulated: Simulated) -> dict[str, dict[str, Any]]:
    """Give what the service says that each run was started with, by the row's id."""
    found: dict[str, dict[str, Any]] = {}
    for run in simulated.state()["runs"]:
        with urllib.request.urlopen(f"{simulated.url}/run/{run['id']}", timeout=10) as answer:
            found[run["tags"]["batchrun:id"]] = json.load(answer)
    return found


def launched(shell: Shell, simulated: Simulated, *arguments: str) -> dict[str, dict[str, Any]]:
    done = shell.run("run", *arguments, "--endpoint-url", simulated.url, *FAST)
    assert done.returncode == 0, done.stderr
    return requests(simulated)


def test_an_nf_core_params_file_reaches_every_run(shell: Shell, simulate):
    shell.write("lab.yaml", DEFAULTS)
    shell.write("params.yml", PARAMS)
    shell.write("rows.csv", "id,parameters.genome\nA,\nB,T2T\n")
    command = ["rows.csv", "--defaults", "lab.yaml", "--parameters-from", "params.yml"]
    found = launched(shell, simulate("--time-scale", "0.0002"), *command)
    sent = {"input": "s3://lab/sheets/run7.csv", "skip_qc": True, "max_memory": "128.GB"}
    assert found["A"]["parameters"] == {**sent, "genome": "GRCh38"}
    assert found["B"]["parameters"] == {**sent, "genome": "T2T"}
    assert found["A"]["outputUri"] == "s3://lab-results/rows/A/"
