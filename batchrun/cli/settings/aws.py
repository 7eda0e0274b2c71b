"""
AWS profile, region and endpoint as botocore would find them where no option says them, without a client.

Belongs here: that, and where each came from. Does not: credentials, of which nothing is looked at.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from batchrun.errors import UsageError

DEFAULT: Final = "default"
_FILES: Final = (
    ("AWS_CONFIG_FILE", "~/.aws/config"),
    ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A value, and where it came from."""

    value: str | None
    origin: str  #: environment, aws (its files) or default
    place: str | None = None  #: the variable, or the profile


@cache
def aws_values(profile: str | None) -> dict[str, Found]:
    """
    Return profile, region and endpoint-url as environment and AWS's own files have them.

    Args:
        profile: What an option says; it chooses the part of the files.

    Raises:
        UsageError: The files cannot be read, or have no such profile.
    """
    # In botocore's order, for each.
    named = _variable("AWS_DEFAULT_PROFILE", "AWS_PROFILE")
    region = _variable("AWS_REGION", "AWS_DEFAULT_REGION")
    is_ignored = os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true"
    endpoint = None if is_ignored else _variable("AWS_ENDPOINT_URL_OMICS", "AWS_ENDPOINT_URL")
    if not (region and endpoint):
        in_files = _in_files(profile or (named.value if named else None))
        region = region or in_files.get("region")
        endpoint = endpoint or (None if is_ignored else in_files.get("endpoint_url"))
    nothing = Found(value=None, origin=DEFAULT)
    return {
        "profile": named or Found(value=DEFAULT, origin=DEFAULT),
        "region": region or nothing,
        "endpoint-url": endpoint or Found(value="the region's own", origin=DEFAULT),
    }


def _variable(*names: str) -> Found | None:
    name = next((name for name in names if os.environ.get(name)), None)
    return Found(value=os.environ[name], origin="environment", place=name) if name else None


def _in_files(profile: str | None) -> dict[str, Found]:
    paths = [Path(os.environ.get(name) or place).expanduser() for name, place in _FILES]
    if profile is None and not any(path.exists() for path in paths):
        return {}
    # Imported late: many have all of it in the environment.
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415
    from botocore.session import Session  # noqa: PLC0415

    session = Session(profile=profile)
    try:
        scoped = session.get_scoped_config()
        services = session.full_config.get("services", {}).get(scoped.get("services"), {})
        is_ignored = session.get_config_variable("ignore_configured_endpoint_urls")
    except BotoCoreError as error:
        raise UsageError(f"{error}; see --profile, AWS_PROFILE and ~/.aws/config") from error
    endpoint = services.get("omics", {}).get("endpoint_url") or scoped.get("endpoint_url")
    values = {"region": scoped.get("region"), "endpoint_url": None if is_ignored else endpoint}
    place = f"profile {profile or DEFAULT}"
    return {
        name: Found(value=str(value), origin="aws", place=place) for name, value in values.items() if value
    }
