"""
AWS's own description of its services: botocore's, and what AWS_DATA_PATH or ~/.aws/models lays over it.

Rows are held against it, and calls are made by it: both take it from here, so that no request passes the one
and breaks the other. Belongs here: finding it. Does not: what it says (``manifest``), clients (``service``).
"""

from __future__ import annotations

import os
from typing import Any, Final

_DATA_PATH: Final = "AWS_DATA_PATH"


def loader() -> Any:
    """Make botocore's loader, which by itself does not read the variable."""
    # Imported late: commands that read no manifest need not pay for it.
    from botocore.loaders import create_loader  # noqa: PLC0415

    return create_loader(os.environ.get(_DATA_PATH) or None)


def healthomics() -> Any:
    """Read the model of HealthOmics."""
    from botocore.model import ServiceModel  # noqa: PLC0415 (as above)

    return ServiceModel(loader().load_service_model("omics", "service-2"), "omics")
