"""Whether the user's AWS configuration names a region, found out without making a client."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchrun.service.target import Target


def is_configured(region: str, target: Target) -> bool:
    """Report whether calls would go to *region*, as far as options, environment and files say where."""
    if named := target.region or os.environ.get("AWS_REGION"):
        return named == region
    # Imported late: it takes its time, and most people set the variable.
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415
    from botocore.session import Session  # noqa: PLC0415

    try:
        return Session(profile=target.profile).get_config_variable("region") in {None, region}
    except BotoCoreError:
        return False  # the client will say what is wrong
