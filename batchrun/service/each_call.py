"""
What botocore works out anew for each call, though it is the same for all calls of a client.

The key that a day's calls are signed with, the headers of a call, which its signature asks for twice, and the
endpoint of an operation: a tenth of what a StartRun costs botocore. What is sent is what it would send.

Belongs here: keeping these, where it is known that nothing of a call decides them. Does not: how a signature
is made, and where an endpoint is (botocore).
"""

from __future__ import annotations

import functools
import hmac
from typing import TYPE_CHECKING, Any, Final

from botocore.auth import AUTH_TYPE_MAPS, SigV4Auth

if TYPE_CHECKING:
    from types_aiobotocore_omics import OmicsClient

#: What botocore knows the signer by, beside its own.
_SIGNER: Final = "batchrun-v4"
#: Days, regions and credentials whose keys are kept: those of some lanes, before and after a new login.
_KEYS: Final = 64


class KeepingSigner(SigV4Auth):
    """Botocore's signature, version 4; one is made for each call."""

    credentials: Any
    _region_name: str
    _service_name: str
    _to_sign: Any = None

    def add_auth(self, request: Any) -> None:
        """Sign *request*."""
        self._to_sign = None
        super().add_auth(request)

    def headers_to_sign(self, request: Any) -> Any:
        """Return the headers that are signed, which are asked for twice and the same both times."""
        if self._to_sign is None:
            self._to_sign = super().headers_to_sign(request)
        return self._to_sign

    def signature(self, string_to_sign: str, request: Any) -> str:
        """Return the signature, in hex."""
        day = request.context["timestamp"][:8]
        key = _key(self.credentials.secret_key, day, self._region_name, self._service_name)
        return hmac.digest(key, string_to_sign.encode(), "sha256").hex()


@functools.lru_cache(maxsize=_KEYS)
def _key(secret: str, *scope: str) -> bytes:
    """Return what is signed with on a day, in a region, to a service."""
    key = f"AWS4{secret}".encode()
    for part in (*scope, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


class EndpointByOperation:
    """Botocore's resolver of a client's endpoints, asked once for each operation."""

    def __init__(self, resolver: Any) -> None:
        self._resolver = resolver
        self._found: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._resolver, name)

    async def construct_endpoint(self, operation_model: Any, call_args: Any, request_context: Any) -> Any:
        """Return the endpoint of an operation, whatever it is called with."""
        name = operation_model.name
        if name not in self._found:
            self._found[name] = await self._resolver.construct_endpoint(
                operation_model=operation_model, call_args=call_args, request_context=request_context
            )
        return self._found[name]


def keep_between_calls(client: OmicsClient) -> None:
    """Have *client* keep what is the same for all of its calls, where botocore is as it is known here."""
    inside: Any = client
    inside.meta.events.register("choose-signer.omics", _choose)
    resolver = getattr(inside, "_ruleset_resolver", None)
    rules = getattr(resolver, "_param_definitions", None)
    # What is built in is the client's: region, FIPS, an endpoint that is given. Nothing else may decide.
    if rules and all(rule.builtin for rule in rules.values()):
        inside._ruleset_resolver = EndpointByOperation(resolver)  # noqa: SLF001 (there is no other door)


def _choose(signature_version: object, context: dict[str, Any], **_: object) -> str | None:
    """Take our signer where botocore would take its own plain one, for all of a request."""
    is_plain = signature_version == "v4" and context.get("auth_type") in {None, "v4"}
    is_preferred = getattr(context.get("client_config"), "auth_scheme_preference", None)
    return _SIGNER if is_plain and not is_preferred and not context.get("unsigned_payload") else None


AUTH_TYPE_MAPS[_SIGNER] = KeepingSigner
