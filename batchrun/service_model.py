"""AWS's model of its services: botocore's, with overrides from AWS_DATA_PATH or ~/.aws/models.

Rows are checked against it, and calls are made by it; both take it from here, so that a checked request is
also one that can be sent.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from batchrun.errors import UsageError

_DATA_PATH: Final = "AWS_DATA_PATH"
_USERS: Final = "~/.aws/models"


def loader() -> Any:
    """Return the process's only botocore loader, which by itself would not read the variable."""
    return _loader(os.environ.get(_DATA_PATH) or None)


@cache
def _loader(place: str | None) -> Any:
    # Imported late: commands that read no manifest do not need it.
    from botocore.loaders import create_loader  # noqa: PLC0415

    return create_loader(place)


def release() -> str:
    """Return the version of botocore, without loading its model."""
    import botocore  # noqa: PLC0415 (as above)

    return str(botocore.__version__)


def overrides() -> list[str]:
    """Return the paths of all files that are laid over botocore's model of HealthOmics; none as a rule."""
    places = [*os.environ.get(_DATA_PATH, "").split(os.pathsep), _USERS]
    roots = [os.path.expanduser(os.path.expandvars(place)) for place in places if place]  # noqa: PTH111 (as botocore)
    return [
        os.path.join(root, name)  # noqa: PTH118 (a text)
        for root in roots
        for name in sorted(glob.glob("omics/*/*", root_dir=root))  # noqa: PTH207 (passes over what is no folder)
    ]


def start_run_shape() -> Any:
    """Return StartRun's input shape. Raises UsageError if an override of botocore's model is not a model."""
    with _read():
        return _healthomics().operation_model("StartRun").input_shape


def members_of(shape: str) -> frozenset[str]:
    """Return the members of a structure of HealthOmics.

    Raises:
        UsageError: An override of botocore's model is not a model.
    """
    with _read():
        return frozenset(_healthomics().shape_for(shape).members)


def _healthomics() -> Any:
    from botocore.model import ServiceModel  # noqa: PLC0415 (as above)

    return ServiceModel(loader().load_service_model("omics", "service-2"), "omics")


@contextmanager
def _read() -> Iterator[None]:
    """Raise UsageError for a bad model, which may fail in any way."""
    try:
        yield
    except Exception as error:
        place = os.environ.get(_DATA_PATH) or _USERS
        raise UsageError(
            f"the model of HealthOmics cannot be read: {error}; see what lies in {place} ({_DATA_PATH}), or "
            "do without it"
        ) from error
