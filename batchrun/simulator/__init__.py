"""
A local HealthOmics service, for demos, tests and pipelines.

An HTTP server that speaks the service's REST-JSON, taken from botocore's own model, with its rules, quotas,
rate limits, a lifecycle in scaled time, and by seed the faults that the service has on bad days. Point a
client at :attr:`Simulator.url` with ``Config(inject_host_prefix=False)``, or the AWS CLI with
``AWS_ENDPOINT_URL_OMICS`` and ``AWS_DISABLE_HOST_PREFIX_INJECTION=true``.

It shares no code with batchrun's client side, so that no mistake is made on both sides.
"""

from __future__ import annotations

from batchrun.simulator.accounts import SimulatedLane
from batchrun.simulator.buckets import Limit
from batchrun.simulator.faults import Fault, FaultRule, RowFault
from batchrun.simulator.http import Served, serve, serve_lanes
from batchrun.simulator.lifecycle import BatchDurations, BatchStatus, Durations, FailFirst, Span, Status
from batchrun.simulator.record import BatchRecord, RunRecord, StartCall, State, Tally
from batchrun.simulator.s3 import StoredBucket, StoredObject
from batchrun.simulator.server import Simulator
from batchrun.simulator.settings import (
    OPERATIONS,
    IdReuse,
    NameFilter,
    Parameter,
    Role,
    Settings,
    Version,
    Workflow,
    of_lane,
    parse_fail_first,
    parse_failures,
    parse_faults,
    parse_limits,
    parse_objects,
)

__all__ = [
    "OPERATIONS",
    "BatchDurations",
    "BatchRecord",
    "BatchStatus",
    "Durations",
    "FailFirst",
    "Fault",
    "FaultRule",
    "IdReuse",
    "Limit",
    "NameFilter",
    "Parameter",
    "Role",
    "RowFault",
    "RunRecord",
    "Served",
    "Settings",
    "SimulatedLane",
    "Simulator",
    "Span",
    "StartCall",
    "State",
    "Status",
    "StoredBucket",
    "StoredObject",
    "Tally",
    "Version",
    "Workflow",
    "of_lane",
    "parse_fail_first",
    "parse_failures",
    "parse_faults",
    "parse_limits",
    "parse_objects",
    "serve",
    "serve_lanes",
]
