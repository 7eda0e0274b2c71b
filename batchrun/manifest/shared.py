"""What all rows of a manifest share, known before the first of them is read: name, lanes, defaults."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from batchrun.manifest import defaults
from batchrun.manifest.defaults import Defaults, defaults_in, parameters_in
from batchrun.manifest.document import Head
from batchrun.manifest.each_file import batch_of
from batchrun.manifest.lanes.naming import with_lanes
from batchrun.manifest.lanes.table import LaneTable, LaneTexts, lanes_given
from batchrun.manifest.lanes.writing import texts_of
from batchrun.manifest.model_check import RequestModel
from batchrun.manifest.parts import Record
from batchrun.manifest.placeholders import Environment
from batchrun.manifest.problems import Place, Problems, unreadable
from batchrun.manifest.rows import wrong_batch
from batchrun.manifest.rules import start_run
from batchrun.manifest.source import STDIN, Beyond, Source, unpacked_name
from batchrun.manifest.warned.looking import Looking


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What all rows share."""

    batch: str
    model: RequestModel  #: the fields of a row
    environment: Environment
    defaults: Defaults
    lanes: LaneTable | None  #: None if the manifest has no lanes

    @property
    def lane_texts(self) -> LaneTexts | None:
        """What lanes give to rows, as it was written; None without lanes."""
        return None if self.lanes is None else texts_of(self.lanes, self.defaults.fields, self.model)

    @property
    def usable_batch(self) -> str:
        """The batch's name for use in rows; a stand-in for a bad one, which is reported only once."""
        return "batch" if wrong_batch(self.batch) else self.batch


def shared(source: Source, head: Head, beyond: Beyond, problems: Problems, looking: Looking) -> Shared:
    """Return what all rows share; what is wrong with it becomes problems.

    Raises:
        ManifestError: A file of defaults, parameters or lanes cannot be read.
    """
    model = start_run(own_tags=source.tags)
    lanes = lanes_given(head.lanes, source.lanes, beyond, model, problems)
    row_model = model if lanes is None else with_lanes(model, lanes.names)
    batch = _batch(source, head, problems)
    environment = Environment(source.env, os.environ, problems)
    layers = _layers(source, head, beyond, row_model, problems, looking)
    combined = defaults.combined(layers, row_model, environment, problems, has_lanes=lanes is not None)
    return Shared(batch=batch, model=row_model, environment=environment, defaults=combined, lanes=lanes)


def _layers(
    source: Source, head: Head, beyond: Beyond, model: RequestModel, problems: Problems, looking: Looking
) -> list[Record]:
    """Return the layers of defaults for all rows, the weakest first."""
    files = [defaults_in(path, beyond, model, problems) for path in source.defaults]
    own = [] if head.defaults is None else [head.defaults]
    parameters = [parameters_in(path, beyond, model, problems) for path in source.parameters_from]
    sets = defaults.from_sets(source.sets, model, problems, looking)
    layers = [*files, *own, *parameters, *sets]
    for record in layers:
        looking.shared(record)
    return layers


def _batch(source: Source, head: Head, problems: Problems) -> str:
    name, place = _batch_and_place(source, head)
    if wrong := wrong_batch(name):
        message, cure = wrong
        problems.add(place, message, f"{cure}, or give --batch", field="batch")
    return name


def _batch_and_place(source: Source, head: Head) -> tuple[str, Place]:
    if source.batch is not None:
        return source.batch, Place(source="--batch")
    if head.batch is not None and head.batch_place is not None:
        return head.batch, head.batch_place
    if source.path == STDIN:
        place = Place(source=source.shown)
        raise unreadable(place, "the batch has no name", "give --batch, or batch: in the manifest")
    name = batch_of(source.path) if source.is_each_file else Path(unpacked_name(source.path)).stem
    return name, Place(source=source.path)
