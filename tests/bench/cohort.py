"""
The rows that are submitted: as a manifest for batchrun, and as requests for its peers.

A peer sends what batchrun sends, tags and requestId included, so that nobody's calls are lighter.
Belongs here: content. Does not: who sends it. Imports nothing heavy: peers are timed from their start.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

NAME = "cohort"
MANIFEST = ("cohort.csv", "--defaults", "defaults.yaml")
_WORKFLOW = "1234567"
_ROLE = "arn:aws:iam::123456789012:role/omics"
_DEFAULTS = f"""\
workflowId: "{_WORKFLOW}"
roleArn: {_ROLE}
outputUri: s3://lab-results/{{batch}}/{{id}}/
"""
_HEAD = "id,parameters.reads_1,parameters.reads_2,parameters.threads:int"


def row_id(number: int) -> str:
    return f"s{number:06}"


def reads(number: int) -> tuple[str, str]:
    place = f"s3://lab-data/{NAME}/{row_id(number)}"
    return f"{place}_R1.fastq.gz", f"{place}_R2.fastq.gz"


def write_manifest(folder: Path, rows: int) -> None:
    (folder / "defaults.yaml").write_text(_DEFAULTS, encoding="utf-8")
    with (folder / MANIFEST[0]).open("w", encoding="utf-8") as file:
        file.write(f"{_HEAD}\n")
        for number in range(rows):
            first, second = reads(number)
            file.write(f"{row_id(number)},{first},{second},16\n")


def request(number: int) -> dict[str, Any]:
    """Return the StartRun request of a row, as a peer sends it."""
    id = row_id(number)
    first, second = reads(number)
    request_id = f"{number:064x}"
    return {
        "workflowId": _WORKFLOW,
        "roleArn": _ROLE,
        "outputUri": f"s3://lab-results/{NAME}/{id}/",
        "name": f"{NAME}-{id}",
        "parameters": {"reads_1": first, "reads_2": second, "threads": 16},
        "requestId": request_id,
        "tags": {
            "batchrun:batch": NAME,
            "batchrun:id": id,
            "batchrun:attempt": "1",
            "batchrun:request-id": request_id,
        },
    }
