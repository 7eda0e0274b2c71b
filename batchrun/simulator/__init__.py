"""A local HealthOmics service, for demos, tests and pipelines.

An HTTP server that speaks the service's REST-JSON, taken from botocore's own model, with its rules, quotas,
rate limits, a lifecycle in scaled time, and by seed the faults that the service has on bad days. Point a
client at :attr:`Simulator.url` with ``Config(inject_host_prefix=False)``, or the AWS CLI with
``AWS_ENDPOINT_URL_OMICS`` and ``AWS_DISABLE_HOST_PREFIX_INJECTION=true``.

It shares no code with batchrun's client side, so that no mistake is made on both sides.
"""

from __future__ import annotations

from batchrun.simulator.accounts import SimulatedLane as SimulatedLane
from batchrun.simulator.buckets import Limit as Limit
from batchrun.simulator.faults import Fault as Fault
from batchrun.simulator.faults import FaultRule as FaultRule
from batchrun.simulator.faults import RowFault as RowFault
from batchrun.simulator.http import Served as Served
from batchrun.simulator.http import serve as serve
from batchrun.simulator.http import serve_lanes as serve_lanes
from batchrun.simulator.lifecycle import BatchDurations as BatchDurations
from batchrun.simulator.lifecycle import BatchStatus as BatchStatus
from batchrun.simulator.lifecycle import Durations as Durations
from batchrun.simulator.lifecycle import FailFirst as FailFirst
from batchrun.simulator.lifecycle import Span as Span
from batchrun.simulator.lifecycle import Status as Status
from batchrun.simulator.record import BatchRecord as BatchRecord
from batchrun.simulator.record import RunRecord as RunRecord
from batchrun.simulator.record import StartCall as StartCall
from batchrun.simulator.record import State as State
from batchrun.simulator.record import Tally as Tally
from batchrun.simulator.s3 import StoredBucket as StoredBucket
from batchrun.simulator.s3 import StoredObject as StoredObject
from batchrun.simulator.server import Simulator as Simulator
from batchrun.simulator.settings import OPERATIONS as OPERATIONS
from batchrun.simulator.settings import IdReuse as IdReuse
from batchrun.simulator.settings import NameFilter as NameFilter
from batchrun.simulator.settings import Parameter as Parameter
from batchrun.simulator.settings import Role as Role
from batchrun.simulator.settings import Settings as Settings
from batchrun.simulator.settings import Version as Version
from batchrun.simulator.settings import Workflow as Workflow
from batchrun.simulator.settings import of_lane as of_lane
from batchrun.simulator.settings import parse_fail_first as parse_fail_first
from batchrun.simulator.settings import parse_failures as parse_failures
from batchrun.simulator.settings import parse_faults as parse_faults
from batchrun.simulator.settings import parse_limits as parse_limits
from batchrun.simulator.settings import parse_objects as parse_objects
