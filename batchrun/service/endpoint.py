"""Addresses that calls may go to."""

from __future__ import annotations

from urllib.parse import urlsplit

from batchrun.errors import UsageError
from batchrun.model.foreign import masked


def checked(url: str) -> str:
    """
    Return *url* where calls can go to it.

    Raises:
        UsageError: It is no address, or has a user in it, whom the signature of a call leaves no place for.
    """
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        is_bare = parts.username is None
    except ValueError:
        is_address = is_bare = False
    if not is_address:
        raise UsageError(
            f"'{masked(url)}' is not an endpoint; give an address such as "
            "https://omics.eu-west-1.amazonaws.com "
            "with --endpoint-url, in the environment or in the AWS configuration"
        )
    if not is_bare:
        raise UsageError(
            f"the endpoint '{masked(url)}' has a user in it, and a signed call has no place for one; "
            "leave it out, and give the credentials as a profile"
        )
    return url
