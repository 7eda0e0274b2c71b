"""StartRunBatch requests, and what became of their rows."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::123456789012:role/omics"


def row_of(number: object, **changes: Any) -> dict[str, Any]:
    return {
        "runSettingId": f"row-{number}",
        "name": f"sample-{number}",
        "outputUri": f"s3://lab/out/{number}",
        **changes,
    }


def batch_of(*rows: dict[str, Any], default: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Ask for a batch of *rows*; without any, of two."""
    return {
        "batchName": "cohort",
        "requestId": "batch-1",
        "defaultRunSetting": {"workflowId": "1234567", "roleArn": ROLE} | (default or {}),
        "batchRunSettings": {"inlineSettings": list(rows) or [row_of(1), row_of(2)]},
        **changes,
    }


def code_of(call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**params)
    return str(caught.value.response["Error"]["Code"])


def submissions(client: Any, batch_id: str) -> dict[str, tuple[str | None, str | None]]:
    """Return each listed row's submissionStatus and submissionFailureReason."""
    runs = client.list_runs_in_batch(batchId=batch_id)["runs"]
    return {
        row["runSettingId"]: (row["submissionStatus"], row.get("submissionFailureReason")) for row in runs
    }
