"""What an error means: every exception that a call can raise becomes one of our own.

Belongs here: the tables of codes and exceptions, and reading them. Pure. Does not: retrying calls
(``calling.call_retries``); why nothing answered at all (``unreached``).

An unknown code is judged by its HTTP status, and without one it counts as an unknown outcome: that costs a
retry of the same request, never a wrong state. A 404 means that a run is gone only with the service's own
code; the bare 404 of a proxy means nothing, and neither does an HTML page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from botocore import exceptions as boto

from batchrun.errors import (
    AccessDeniedError,
    CallError,
    ConflictError,
    CredentialsError,
    NotFoundError,
    OutcomeUnknownError,
    QuotaExceededError,
    RefusedError,
    ServiceUnusableError,
    ThrottledError,
    UsageError,
)
from batchrun.model.planning import denials
from batchrun.model.submissions.submission import BatchRow
from batchrun.model.texts.foreign import masked, shortened, storable
from batchrun.service.unreached import PROXY_WANTS_LOGIN, WANTS_LOGIN, missing_host, why_unreached

#: The error shapes of botocore's omics model, and AWS's common error codes.
BY_CODE: Final[dict[str, type[CallError]]] = {
    "ThrottlingException": ThrottledError,
    "Throttling": ThrottledError,
    "ThrottledException": ThrottledError,
    "RequestThrottled": ThrottledError,
    "RequestThrottledException": ThrottledError,
    "RequestLimitExceeded": ThrottledError,
    "TooManyRequestsException": ThrottledError,
    "SlowDown": ThrottledError,
    "429": ThrottledError,
    "ServiceQuotaExceededException": QuotaExceededError,
    "402": QuotaExceededError,
    "ConflictException": ConflictError,
    "ConditionalRequestConflict": ConflictError,
    "ResourceNotFoundException": NotFoundError,
    "ValidationException": RefusedError,
    "ValidationError": RefusedError,
    "NotSupportedOperationException": RefusedError,
    "RangeNotSatisfiableException": RefusedError,
    "UnknownOperationException": RefusedError,
    "PermanentRedirect": RefusedError,
    **dict.fromkeys(denials.CODES, AccessDeniedError),
    "ExpiredTokenException": CredentialsError,
    "ExpiredToken": CredentialsError,
    "RequestExpired": CredentialsError,
    "RequestTimeTooSkewed": CredentialsError,
    "TokenRefreshRequired": CredentialsError,
    "UnrecognizedClientException": CredentialsError,
    "InvalidClientTokenId": CredentialsError,
    "InvalidAccessKeyId": CredentialsError,
    "InvalidToken": CredentialsError,
    "InvalidSignatureException": CredentialsError,
    "SignatureDoesNotMatch": CredentialsError,
    "IncompleteSignature": CredentialsError,
    "IncompleteSignatureException": CredentialsError,
    "MissingAuthenticationToken": CredentialsError,
    "MissingAuthenticationTokenException": CredentialsError,
    "AuthFailure": CredentialsError,
    "401": CredentialsError,
    "InternalServerException": OutcomeUnknownError,
    "InternalFailure": OutcomeUnknownError,
    "InternalError": OutcomeUnknownError,
    "ServiceUnavailable": OutcomeUnknownError,
    "ServiceUnavailableException": OutcomeUnknownError,
    "RequestTimeoutException": OutcomeUnknownError,
    "RequestTimeout": OutcomeUnknownError,
}

#: S3's codes for a bucket in another region that the client could not follow to.
ELSEWHERE: Final = frozenset({"PermanentRedirect", "AuthorizationHeaderMalformed", "301"})
#: The code of a host name that does not exist, which is no failure of the network.
NO_HOST: Final = "NoSuchHost"
#: The code of a login's own error, raised before the service was asked.
_NO_LOGIN: Final = "NoCredentials"
_CREDENTIALS_MESSAGE: Final = "the service does not accept the credentials"
_MESSAGE_LIMIT: Final = 1000
_LONGEST_CODE: Final = 100
#: S3's code for a wrong clock; other services have one code for all signature errors.
CLOCK: Final = "RequestTimeTooSkewed"
_SKEWED: Final = re.compile(r"Signature (expired|not yet current): [0-9TZ]+ is [a-z ]+ than [0-9TZ]+")
#: Codes that count even from a proxy.
_SLOW_DOWN: Final = frozenset({"429"})
_REDIRECTS: Final = range(300, 400)
#: Seconds of waiting that a hint can ask for; botocore allows 5.
_LONGEST_HINT: Final = 60.0


def classify(error: Exception, operation: str) -> CallError:
    """Return our own error for *error*, raised by a call of *operation*."""
    if isinstance(error, CallError):
        return error
    if isinstance(error, boto.ClientError):
        return _from_answer(error.response, operation)
    if isinstance(error, UsageError | ServiceUnusableError):  # raised when the call was to be signed
        return CredentialsError(_message(str(error)), operation=operation, code=_NO_LOGIN)
    if isinstance(error, boto.ParamValidationError):
        return RefusedError(_message(str(error)), operation=operation, code="ParamValidationError")
    # Anything else on the way there or back: a reset after sending looks like a connection never made, and an
    # answer that breaks the parser may have been a success. Botocore's bare wrapper hides the real error.
    cause = error.__context__ or error if type(error) is boto.HTTPClientError else error
    if (missing := missing_host(cause)) is not None:
        return OutcomeUnknownError(_message(missing), operation=operation, code=NO_HOST)
    words = why_unreached(cause) or masked(str(cause))
    return OutcomeUnknownError(_message(words), operation=operation, code=type(cause).__name__)


def code_of(error: BaseException | None) -> str | None:
    """Return the service's own code in a client's error; None where it has none."""
    return error.response.get("Error", {}).get("Code") if isinstance(error, boto.ClientError) else None


def status_of(error: BaseException | None) -> int | None:
    """Return the HTTP status in a client's error; None where it has none."""
    facts = error.response.get("ResponseMetadata", {}) if isinstance(error, boto.ClientError) else {}
    return facts.get("HTTPStatusCode")


def unparsable(operation: str, missing: str) -> OutcomeUnknownError:
    """Return the error for a success whose body lacks what it must have."""
    return OutcomeUnknownError(
        f"the answer has no usable '{missing}'", operation=operation, code="UnparsableAnswer"
    )


def refusal(row: BatchRow) -> CallError:
    """Return the error that StartRun would have raised for a row of a batch whose submission failed."""
    code = row.code or "Unknown"
    kind = BY_CODE.get(code, OutcomeUnknownError)
    return kind(
        _message(masked(row.message or "")), operation="StartRun", code=shortened(code, _LONGEST_CODE)
    )


def _from_answer(response: Mapping[str, Any], operation: str) -> CallError:
    facts = response.get("ResponseMetadata") or {}
    said = response.get("Error") or {}
    headers = facts.get("HTTPHeaders") or {}
    status = facts.get("HTTPStatusCode")
    if status in _REDIRECTS and "location" in headers:
        return _redirected(headers, operation)
    code = _text(said.get("Code")) or str(status or "Unknown")
    if _is_from_a_proxy(code, headers):
        return _from_a_proxy(status, operation)
    kind = BY_CODE.get(code) or _by_status(status, code)
    words = _text(said.get("Message"))
    if kind is CredentialsError:
        code, words = _of_the_signature(code, words)
    return kind(
        _message(_with_region(words, code, headers)),
        operation=operation,
        code=shortened(code, _LONGEST_CODE),
        status=status,
        service_request_id=_text(facts.get("RequestId")) or None,
        retry_after=_retry_after(headers),
    )


def _with_region(words: str, code: str, headers: Mapping[str, str]) -> str:
    """Return S3's words for a bucket in another region, with the region where they lack it."""
    region = shortened(_text(headers.get("x-amz-bucket-region")))
    if code not in ELSEWHERE or not region or region in words:
        return words
    return f"{words or 'S3 was asked elsewhere'} (the bucket is in {region})"


def _redirected(headers: Mapping[str, str], operation: str) -> OutcomeUnknownError:
    """Return the error for a redirect, which is never the service's own answer."""
    return OutcomeUnknownError(
        f"a redirect to {shortened(_text(headers['location']))}, which is not followed",
        operation=operation,
        code="Redirected",
    )


def _of_the_signature(code: str, message: str) -> tuple[str, str]:
    """Return the code and our own message: the service's quotes the request with its session token."""
    skew = _SKEWED.search(message)
    if skew is None and code != CLOCK:
        return code, _CREDENTIALS_MESSAGE
    times = f" ({skew[0]})" if skew else ""
    return CLOCK, (
        f"the service refuses what is signed by this machine's clock, which is wrong{times}; set it "
        "(timedatectl set-ntp true)"
    )


def _is_from_a_proxy(code: str, headers: Mapping[str, str]) -> bool:
    """Report whether a proxy answered: the service names its errors, in JSON or XML."""
    is_page = _text(headers.get("content-type")).lower().startswith("text/html")
    return code == str(WANTS_LOGIN) or (is_page and code.isdigit() and code not in _SLOW_DOWN)


def _from_a_proxy(status: object, operation: str) -> OutcomeUnknownError:
    """Return the error for a proxy's answer, which says nothing about permissions, logins or runs."""
    if status == WANTS_LOGIN:
        words = PROXY_WANTS_LOGIN
    else:
        words = f"an HTML page (status {status}), as from a proxy or a firewall, which is not the service's"
    return OutcomeUnknownError(words, operation=operation, code="NotTheService")


def _by_status(status: object, code: str) -> type[CallError]:
    match status:
        case 429:
            return ThrottledError
        case 401 | 403:
            return AccessDeniedError
        case int() if 400 <= status < 500 and status != 408 and not code.isdigit():  # noqa: PLR2004
            return RefusedError
        case _:
            return OutcomeUnknownError


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait by one of the two hints that AWS services send, or None."""
    for name, per_second in (("retry-after", 1.0), ("x-amz-retry-after", 1000.0)):
        try:
            seconds = float(headers[name]) / per_second
        except (KeyError, ValueError):
            continue
        if 0 <= seconds <= 3600:  # noqa: PLR2004 (an hour: what is longer is a mistake or an attack)
            return min(seconds, _LONGEST_HINT)
    return None


def _text(value: object) -> str:
    return masked(storable(value)) if isinstance(value, str) else ""


def _message(words: str) -> str:
    return storable(words, _MESSAGE_LIMIT) or "no details"
