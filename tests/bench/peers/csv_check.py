"""
Checks a CSV as a script does: ``python -m tests.bench.peers.csv_check FILE``.

Reads rows with the csv module, makes requests of them and asks botocore's validator, which holds neither
patterns nor lengths nor sets of values against them; so batchrun's check does more.
"""

from __future__ import annotations

import csv
import sys
from typing import Any

import botocore.session
from botocore.validate import ParamValidator

_COLUMNS = {"parameters.reads_1": "reads_1", "parameters.reads_2": "reads_2"}


def request(row: dict[str, str]) -> dict[str, Any]:
    parameters: dict[str, Any] = {name: row[column] for column, name in _COLUMNS.items()}
    return {
        "workflowId": "1234567",
        "roleArn": "arn:aws:iam::123456789012:role/omics",
        "outputUri": f"s3://lab-results/cohort/{row['id']}/",
        "name": f"cohort-{row['id']}",
        "parameters": {**parameters, "threads": int(row["parameters.threads:int"])},
        "requestId": row["id"],
    }


def main(path: str) -> None:
    model = botocore.session.get_session().get_service_model("omics")
    shape: Any = model.operation_model("StartRun").input_shape
    validator = ParamValidator()
    seen = set()
    with open(path, encoding="utf-8", newline="") as file:  # noqa: PTH123
        for row in csv.DictReader(file):
            report = validator.validate(request(row), shape)
            if report.has_errors() or row["id"] in seen:
                raise SystemExit(f"{row['id']}: {report.generate_report()}")
            seen.add(row["id"])
    sys.stdout.write(f"{len(seen)} rows\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
