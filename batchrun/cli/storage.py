"""
The way to S3 for verbs that read or write a place there, and the logs that calls make.

Belongs here: both, since a log that nobody has set up goes to stdout. Does not: what is read and written.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from batchrun.api.objects import ObjectsOnce
from batchrun.api.one_login import OneLogin
from batchrun.api.storing import StoreWhenNeeded
from batchrun.service.target import Target

if TYPE_CHECKING:
    from collections.abc import Mapping


def objects(options: Mapping[str, Any]) -> ObjectsOnce:
    """Return the files in the S3 that is meant; logs are set up before anybody is called, as OUTPUT says."""
    return ObjectsOnce(_login(options))


def store(options: Mapping[str, Any]) -> StoreWhenNeeded:
    """Return that S3 to write to; likewise."""
    return StoreWhenNeeded(_login(options))


def _login(options: Mapping[str, Any]) -> OneLogin:
    """Make one of ACCOUNT or SERVICE."""
    usual = Target()
    target = Target(
        profile=options["profile"],
        region=options["region"],
        read_timeout=options.get("timeout", usual.read_timeout),
    )
    return OneLogin(target, before=partial(_set_up_logs, options))


def _set_up_logs(options: Mapping[str, Any]) -> None:
    from batchrun.cli.launching.logs import configure  # noqa: PLC0415 (who reads files alone logs nothing)

    verbosity = -1 if options.get("quiet") else options.get("verbose", 0)
    configure(verbosity=verbosity, as_json=options.get("log_format") == "json")
