"""
What is wrong with rows by what was seen of the places they name, in words.

Belongs here: problems, each with the cure. Does not: what is worth a warning alone (``cli``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchrun.manifest.inputs.mentions import mentions
from batchrun.manifest.inputs.texts import AROUND
from batchrun.manifest.problems import printable
from batchrun.ports.inputs import Sight

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchrun.manifest import Manifest
    from batchrun.manifest.inputs.mentions import Mention
    from batchrun.manifest.inputs.survey import Survey
    from batchrun.manifest.places import RowPlaces
    from batchrun.manifest.problems import Problems
    from batchrun.model.spec import Spec

#: What cannot be read as it is: what is told of it, and the cure.
TROUBLES: Final = {
    Sight.MISSING: ("is not there", "check the bucket and the key, letter by letter"),
    Sight.EMPTY: ("has nothing under it", "check the folder's name, or put the files there"),
    Sight.UNMATCHED: ("matches nothing that is there", "check the folder and the pattern"),
    Sight.NO_BUCKET: ("is in a bucket that does not exist", "check the bucket's name, letter by letter"),
    Sight.ARCHIVED: ("is archived, and cannot be read", "restore it first (aws s3api restore-object)"),
    Sight.RESTORING: (
        "is archived, and on its way back",
        "wait until it is restored: aws s3api head-object shows ongoing-request=false then",
    ),
}


def found_in(manifest: Manifest) -> Iterator[tuple[Spec, Mention]]:
    """Return each place that the rows name, with its row; a row that names one twice gives it twice."""
    for spec in manifest.specs():
        sheet = manifest.own_sheet(spec.id) if manifest.has_own_sheets else None
        for one in mentions(spec, None if sheet is None else sheet.uri):
            yield spec, one


def check_inputs(manifest: Manifest, survey: Survey, places: RowPlaces, problems: Problems) -> None:
    """Take down each place that a run could not read, with all the rows that name it."""
    if survey.seen.keys().isdisjoint(TROUBLES):
        return
    for spec, one in found_in(manifest):
        place = one.place
        sight = None if place is None else survey.sight(place)
        if sight is not None and sight in TROUBLES:
            message, cure = _told(one.text, sight)
            problems.add(places.place(spec.position), message, cure, row=spec.id, field=one.field)


def _told(uri: str, sight: Sight) -> tuple[str, str]:
    what, cure = TROUBLES[sight]
    if uri != uri.rstrip(AROUND):
        return f"{uri[-200:]!r} ends in white space or a quote, and {what}", "remove what follows the key"
    return f"{printable(uri, 200)} {what}", cure
