"""
A local HealthOmics: the other side of the wire, for demos, tests and pipelines.

A real HTTP server that speaks the service's REST-JSON by botocore's own model, with its rules, quotas,
paces and a lifecycle in scaled time; and with faults, by seed, that the service has on bad days. Point a
client at :attr:`Simulator.url` with ``Config(inject_host_prefix=False)``, or the AWS CLI with
``AWS_ENDPOINT_URL_OMICS`` and ``AWS_DISABLE_HOST_PREFIX_INJECTION=true``.

It shares nothing with batchrun's client side, so that a mistake is not made twice.
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
