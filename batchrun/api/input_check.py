"""Checking the inputs of rows in S3.

Belongs here: the steps, and what is worth a warning. Does not: what is wrong with a row
(``manifest.inputs``), looking (``service.s3.input_lookup``), printing it (``cli.verbs.check``).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

from batchrun.clock import Clock
from batchrun.errors import ServiceError, ServiceUnusableError
from batchrun.manifest import Manifest
from batchrun.manifest.inputs import InputSurvey, check_inputs, found_in
from batchrun.manifest.problems import printable
from batchrun.manifest.rows import Found
from batchrun.manifest.spool import RowPlaces
from batchrun.model.paces.rates import Rate
from batchrun.model.texts.foreign import masked
from batchrun.ports.objects import Bucket, InputPlace, Sight, Skip
from batchrun.service.login import Login
from batchrun.service.s3.input_lookup import InputLookup
from batchrun.service.s3.object_calls import object_calls

if TYPE_CHECKING:
    from batchrun.manifest.lane_rows import LaneRows

#: Buckets that are named in a warning.
_EXAMPLES: Final = 3
#: Mentions that are recorded at a time.
_AT_ONCE: Final = 1000
_UNSURE: Final = {
    Sight.HIDDEN: "cannot be checked without permission to list the bucket (s3:ListBucket) and to "
    "read it (s3:GetObject); a bucket of another account gives the same answer, and so does one whose "
    "requester pays, unless the row has requesterPaysEnabled; the role of the runs may see more",
    Sight.DENIED: "is there, but not readable (s3:GetObject, or the key that it is encrypted with); the "
    "role of the runs may read more",
    Sight.TOO_MANY: "only 10,000 objects were compared with the pattern; write more before the first "
    "wildcard",
}


@dataclass(slots=True, kw_only=True)
class InputFindings:
    """What was found out about the inputs so far."""

    total: int = 0  #: distinct places to look at
    seen: Counter[Sight] = field(default_factory=Counter)
    skipped: Mapping[Skip, int] = field(default_factory=dict)  #: texts that look like places, by reason
    examples: Mapping[Skip, str] = field(default_factory=dict)  #: one for each reason, safe to show
    calls: Mapping[str, int] = field(default_factory=dict)  #: to S3, by operation
    warnings: list[str] = field(default_factory=list)
    broken: ServiceError | None = None  #: why it ended early

    @property
    def looked_at(self) -> int:
        """Places that were looked at."""
        return self.seen.total()


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What is needed to look at inputs."""

    login: Login
    rate: Rate  #: of each kind of call
    clock: Clock
    rng: random.Random
    told: Callable[[InputFindings], None]  #: called for each place that was looked at


async def look_for_inputs(
    manifest: Manifest | LaneRows, places: RowPlaces, means: Means, problems: Found
) -> InputFindings:
    """Look up the inputs of rows in S3, and collect those that a run could not read in *problems*."""
    with closing(InputSurvey()) as survey:
        _find(manifest, survey)
        inputs = InputFindings(total=survey.total, skipped=survey.skipped)
        inputs.examples = {skip: _shown(survey.example(skip)) for skip in inputs.skipped}
        if inputs.total:
            await _look(survey, inputs, means)
        check_inputs(manifest, survey, places, problems)
    return inputs


async def _look(survey: InputSurvey, inputs: InputFindings, means: Means) -> None:
    unsure = _Unsure()
    login = means.login
    async with object_calls(login, rate=means.rate, clock=means.clock, rng=means.rng) as calls:
        looker = InputLookup(calls)

        def saw(place: InputPlace, sight: Sight) -> None:
            survey.saw(place, sight)
            unsure.saw(place, sight)
            inputs.seen[sight] += 1
            means.told(inputs)

        try:
            await looker.look_at(survey.places(), saw)
        except ServiceError as error:
            inputs.broken = _unusable(error, inputs)
        inputs.calls = dict(calls.sent)
    inputs.warnings += [*_elsewhere(looker.buckets.values(), login.region), *unsure.warnings()]


def _find(manifest: Manifest | LaneRows, survey: InputSurvey) -> None:
    found = (one for _, one in found_in(manifest))
    while some := list(islice(found, _AT_ONCE)):
        survey.add(some)


class _Unsure:
    """Counts inputs that could not be checked, with an example for some of the buckets."""

    def __init__(self) -> None:
        self._counts: Counter[Sight] = Counter()
        self._examples: dict[Sight, dict[str, str]] = {}

    def saw(self, place: InputPlace, sight: Sight) -> None:
        if sight in _UNSURE:
            self._counts[sight] += 1
            examples = self._examples.setdefault(sight, {})
            if len(examples) < _EXAMPLES:
                examples.setdefault(place.bucket, place.uri)

    def warnings(self) -> list[str]:
        return [f"{self._named(sight)}: {_UNSURE[sight]}" for sight in self._counts]

    def _named(self, sight: Sight) -> str:
        names = [printable(uri, 200) for uri in self._examples[sight].values()]
        others = self._counts[sight] - len(names)
        return ", ".join(names) + (f" and {others} more" if others else "")


def _elsewhere(buckets: Iterable[Bucket], region: str | None) -> list[str]:
    """Return a warning that names the buckets outside the runs' region."""
    others = [one for one in buckets if one.region and region and one.region != region]
    if not others:
        return []
    names = [f"{printable(one.name)} ({printable(str(one.region))})" for one in others[:_EXAMPLES]]
    more = f" and {len(others) - len(names)} more" if len(others) > len(names) else ""
    told = (
        f"buckets in other regions: {', '.join(names)}{more}; the runs would be in {region}, and HealthOmics "
        "reads inputs in its own region"
    )
    return [told]


def _unusable(error: ServiceError, inputs: InputFindings) -> ServiceError:
    return ServiceUnusableError(
        f"S3 does not answer any more: {error}; {inputs.looked_at} of {inputs.total} places were looked at; "
        "fix that, then run the same command again"
    )


def _shown(text: str) -> str:
    """Return a text of the manifest safe to show: a signed address is a secret."""
    return printable(masked(text), 80)
