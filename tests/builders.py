"""Values for tests, with everything filled in that a test does not care about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from batchrun.model.entries.entry import Entry, Run
from batchrun.model.entries.events import Accepted, Intended, Removed, seen
from batchrun.model.entries.transitions import apply
from batchrun.model.lanes import Offer, offers_text
from batchrun.model.spec import Spec, canonical
from batchrun.model.submissions.submission import Submission

if TYPE_CHECKING:
    from collections.abc import Sequence

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float = 0.0) -> datetime:
    return T0 + timedelta(seconds=seconds)


def request(**fields: Any) -> str:
    base = {
        "workflowId": "1234567",
        "roleArn": "arn:aws:iam::123456789012:role/omics",
        "outputUri": "s3://lab-results/x/",
        "name": "cohort-a",
    }
    return canonical(base | fields)


def spec(id: str = "a", position: int = 0, **fields: Any) -> Spec:
    return Spec(id=id, position=position, request=request(**({"name": f"cohort-{id}"} | fields)))


def planned(id: str = "a", position: int = 0, **fields: Any) -> Entry:
    return Entry(batch="cohort", id=id, position=position, request=request(name=f"cohort-{id}"), **fields)


def offers(*lanes: str, closed: Sequence[str] = (), **fields: Any) -> str:
    """The same request in each of *lanes*, and in those that only a retry leads to."""
    text = request(**fields)
    return offers_text(
        [Offer(lane=lane, request=text, is_open=lane not in closed) for lane in (*lanes, *closed)]
    )


def submission(request_id: str = "s-1", **fields: Any) -> Submission:
    return Submission(
        **{
            "request_id": request_id,
            "batch": "cohort",
            "lane": None,
            "name": f"cohort-{request_id}",
            "request": "{}",
            "rows": 1,
            "intended_at": at(0),
            **fields,
        }
    )


def run(status: str = "PENDING", id: str = "1000001", uuid: str = "u-1", **fields: Any) -> Run:
    return Run(
        id=id,
        uuid=uuid,
        arn=f"arn:aws:omics:us-east-1:123456789012:run/{id}",
        status=status,
        output_uri=fields.pop("output_uri", f"s3://lab-results/x/{id}"),
        **fields,
    )


def submitting(entry: Entry | None = None, seconds: float = 0.0) -> Entry:
    return apply(entry or planned(), Intended(at=at(seconds)))


def active(entry: Entry | None = None, seconds: float = 0.0, **fields: Any) -> Entry:
    return apply(submitting(entry, seconds), Accepted(at=at(seconds), run=run(**fields)))


def ended(status: str = "COMPLETED") -> Entry:
    going = active()
    assert going.run is not None
    if status == "DELETED":
        return apply(going, Removed(at=at(60), message="404"))
    return apply(going, seen(replace(going.run, status=status), at(60)))
