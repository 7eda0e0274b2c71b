"""
Files that say something for all rows: ``--defaults`` and ``--parameters-from``.

Belongs here: what each takes, and saying so where it was given what is for the other. Does not: reading files
(``table_file``), checking fields (``defaults``).
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from batchrun.manifest import retrying
from batchrun.manifest.problems import printable, unreadable
from batchrun.manifest.recognised.kinds import DocumentKind, document_kind, is_field, is_slip
from batchrun.manifest.table_file import table

if TYPE_CHECKING:
    from batchrun.manifest.model_check import RequestModel
    from batchrun.manifest.problems import Problems, Record
    from batchrun.manifest.source import Beyond

_PARAMETERS: Final = "parameters"


def defaults_in(path: str, beyond: Beyond, model: RequestModel, problems: Problems) -> Record:
    """
    Return the StartRun fields of a file of defaults.

    Raises:
        ManifestError: It is none, or has parameters without a word of it.
    """
    found = table(path, "defaults are", "write a table of StartRun fields", problems, beyond=beyond)
    if retrying.KEY in found.fields:
        cure = "put it into the manifest, beside defaults and runs"
        place = found.place_of((retrying.KEY,))
        raise unreadable(place, "retry is for all rows, and no field", cure, field=retrying.KEY)
    if _is_of_a_workflow(list(found.fields), model):
        message = "these are no fields of StartRun, but parameters of a workflow"
        raise unreadable(found.place, message, _given_with("--parameters-from", path))
    return found


def parameters_in(path: str, beyond: Beyond, model: RequestModel, problems: Problems) -> Record:
    """
    Return a file of a workflow's parameters as the field ``parameters``.

    Raises:
        ManifestError: It is none, or is a whole request.
    """
    found = table(path, "parameters are", "write a table of names and values", problems, beyond=beyond)
    is_request = document_kind(found.fields, model) is DocumentKind.REQUEST
    if is_request and all(is_field(name, model) for name in found.fields):
        message = "these are no parameters of a workflow, but fields of StartRun"
        raise unreadable(found.place, message, _given_with("--defaults", path))
    places = {(_PARAMETERS, *inner): at for inner, at in found.places.items()}
    return replace(found, fields={_PARAMETERS: found.fields}, places=places)


def _is_of_a_workflow(names: list[str], model: RequestModel) -> bool:
    """Report whether names are parameters beyond doubt: several, or one as WDL has them, and no slips."""
    is_sure = len(names) > 1 or "." in names[0]
    is_unlike = document_kind(names, model) is DocumentKind.PARAMETERS
    return is_sure and is_unlike and not is_slip(names, ("id", *model.fields))


def _given_with(option: str, path: str) -> str:
    return f"give the file with {option} instead: {option} {printable(shlex.quote(path), None)}"
