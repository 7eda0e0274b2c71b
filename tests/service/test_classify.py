"""Every error that a call can end in is one of ours."""

from __future__ import annotations

import inspect
import socket
import ssl
from typing import Any

import botocore.session
import pytest
from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientHttpProxyError,
    ClientProxyConnectionError,
    RequestInfo,
)
from aiohttp.client_reqrep import ConnectionKey
from botocore import exceptions as boto
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

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
from batchrun.service.classify import BY_CODE, NO_HOST, classify

OMICS = botocore.session.Session().get_service_model("omics")
SHAPES = sorted(
    {shape.name for name in OMICS.operation_names for shape in OMICS.operation_model(name).error_shapes}
)


PROXY = ConnectionKey(
    "proxy.test", 80, is_ssl=False, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None
)
NO_NAME = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def refused(status: int) -> ClientHttpProxyError:
    url = URL("http://proxy.test")
    return ClientHttpProxyError(
        RequestInfo(url, "CONNECT", CIMultiDictProxy(CIMultiDict()), url), (), status=status
    )


def answer(code: str | None = None, status: int = 400, message: str = "words", **headers: str) -> CallError:
    response: Any = {
        "Error": {"Code": code, "Message": message} if code else {},
        "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "aws-1", "HTTPHeaders": headers},
    }
    return classify(boto.ClientError(response, "StartRun"), "StartRun")


@pytest.mark.parametrize("shape", SHAPES)
def test_every_error_shape_of_the_omics_model_is_in_the_table(shape):
    assert shape in BY_CODE


def test_the_model_has_error_shapes_at_all():
    assert {"ThrottlingException", "ConflictException", "ServiceQuotaExceededException"} < set(SHAPES)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ThrottlingException", 429, ThrottledError),
        ("ThrottlingException", 400, ThrottledError),
        ("ServiceQuotaExceededException", 402, QuotaExceededError),
        ("ConflictException", 409, ConflictError),
        ("ValidationException", 400, RefusedError),
        ("ResourceNotFoundException", 404, NotFoundError),
        ("AccessDeniedException", 403, AccessDeniedError),
        ("ExpiredTokenException", 403, CredentialsError),
        ("InvalidSignatureException", 403, CredentialsError),
        ("InternalServerException", 500, OutcomeUnknownError),
        ("RequestTimeoutException", 408, OutcomeUnknownError),
        ("BrandNewException", 400, RefusedError),
        ("BrandNewException", 408, OutcomeUnknownError),
        ("BrandNewException", 403, AccessDeniedError),
        ("BrandNewException", 429, ThrottledError),
        ("BrandNewException", 503, OutcomeUnknownError),
        (None, 429, ThrottledError),
        (None, 503, OutcomeUnknownError),
        (None, 402, QuotaExceededError),
        (None, 401, CredentialsError),
        (None, 404, OutcomeUnknownError),
    ],
)
def test_answers_are_judged_by_code_then_by_status(code, status, kind):
    error = answer(code, status)
    assert type(error) is kind
    assert (error.operation, error.status, error.service_request_id) == ("StartRun", status, "aws-1")


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 407, 409, 500, 502, 503])
def test_a_page_of_a_proxy_says_nothing_of_the_service(status):
    """Seen: a proxy's 403 ended the launch with advice about IAM, and its 502s were borne for 15 minutes."""
    page = {"content-type": "text/html; charset=utf-8"}
    error = answer(str(status), status, **page)
    assert (type(error), error.status) == (OutcomeUnknownError, None)
    assert str(status) in str(error)
    assert type(answer("429", 429, **page)) is ThrottledError
    assert type(answer("AccessDeniedException", 403, **page)) is AccessDeniedError


def test_a_proxy_that_wants_a_login_is_told_whatever_it_says():
    error = answer(None, 407)
    assert (type(error), error.status, "HTTPS_PROXY" in str(error)) == (OutcomeUnknownError, None, True)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            boto.EndpointConnectionError(
                endpoint_url="https://omics.test/run", error=ClientConnectorDNSError(PROXY, NO_NAME)
            ),
            (
                "there is no host 'proxy.test', which is set as a proxy; correct HTTPS_PROXY (for http://, "
                "HTTP_PROXY), or name the host in NO_PROXY"
            ),
        ),
        (
            boto.ProxyConnectionError(
                proxy_url="http://***@proxy.test:80",
                error=ClientProxyConnectionError(PROXY, OSError(111, "Connection refused")),
            ),
            (
                "the proxy http://***@proxy.test:80 cannot be reached: Connection refused; correct "
                "HTTPS_PROXY (for http://, HTTP_PROXY), or name the host in NO_PROXY"
            ),
        ),
        (
            boto.ProxyConnectionError(proxy_url="http://proxy.test", error=refused(502)),
            (
                "the proxy http://proxy.test answers 502; correct HTTPS_PROXY (for http://, HTTP_PROXY), or "
                "name the host in NO_PROXY"
            ),
        ),
        (
            boto.ProxyConnectionError(proxy_url="http://proxy.test", error=refused(407)),
            "a proxy wants a login (407), which HTTPS_PROXY can hold: http://USER:PASSWORD@HOST:PORT",
        ),
    ],
)
def test_a_proxy_of_no_use_is_told_as_that(error, told):
    made = classify(error, "StartRun")
    assert (type(made), made.message) == (OutcomeUnknownError, told)
    assert made.code != NO_HOST  # which is of the service's own


@pytest.mark.parametrize(
    ("host", "cure"),
    [
        ("workflows-simulator.lab", "; AWS_DISABLE_HOST_PREFIX_INJECTION=true leaves out 'workflows-'"),
        ("workflows-omics.nowhere-1.amazonaws.com", ""),
        ("simulator.lab", ""),
    ],
)
def test_a_host_that_nobody_has_is_told_with_what_was_put_before_its_name(host, cure):
    called = PROXY._replace(host=host, port=8765)
    reached = ClientConnectorDNSError(called, NO_NAME)
    made = classify(
        boto.EndpointConnectionError(endpoint_url=f"http://{host}:8765/run", error=reached), "ListRuns"
    )
    assert (made.code, made.message) == (NO_HOST, f"there is no host '{host}'{cure}")


def test_a_certificate_out_of_date_points_to_the_clock():
    doubt = ssl.SSLCertVerificationError()
    doubt.verify_code, doubt.verify_message = 9, "certificate is not yet valid"
    reason = ClientConnectorCertificateError(PROXY._replace(host="omics.test", port=443), doubt)
    made = classify(boto.SSLError(endpoint_url="https://omics.test", error=reason), "GetRun")
    assert made.message == (
        "the certificate of https://omics.test is not trusted (certificate is not yet valid); see whether "
        "this machine's clock is right; if it is, the certificate must be renewed"
    )


def test_every_client_side_exception_of_botocore_becomes_one_of_ours():
    kinds = [
        kind for _, kind in inspect.getmembers(boto, inspect.isclass) if issubclass(kind, boto.BotoCoreError)
    ]
    assert len(kinds) > 50
    for kind in kinds:
        error = kind.__new__(kind)
        Exception.__init__(error, "words")
        assert isinstance(classify(error, "GetRun"), CallError)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (UsageError("half a key pair"), CredentialsError),
        (ServiceUnusableError("logged out"), CredentialsError),
        (boto.ParamValidationError(report="bad"), RefusedError),
        (boto.ReadTimeoutError(endpoint_url="u"), OutcomeUnknownError),
        (boto.EndpointConnectionError(endpoint_url="u"), OutcomeUnknownError),
        (boto.ConnectionClosedError(endpoint_url="u"), OutcomeUnknownError),
        (ConnectionResetError("reset"), OutcomeUnknownError),
        (ValueError("not JSON"), OutcomeUnknownError),
    ],
)
def test_what_never_became_an_answer(error, kind):
    assert type(classify(error, "StartRun")) is kind


def test_an_error_of_ours_is_left_as_it_is():
    error = answer("ConflictException", 409)
    assert classify(error, "GetRun") is error


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"x-amz-retry-after": "1500"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "600"}, 60.0),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_hints_are_read_where_they_make_sense(headers, seconds):
    assert answer("ThrottlingException", 429, **headers).retry_after == seconds


def test_a_message_about_a_signature_is_not_passed_on():
    # The service quotes the canonical request there, session token and all.
    error = answer("SignatureDoesNotMatch", 403, message="x-amz-security-token:SECRET")
    assert "SECRET" not in str(error)


def test_a_wrong_clock_is_told_as_that():
    """Seen: a machine three hours late was told to log in again."""
    said = (
        "Signature expired: 20261127T090000Z is now earlier than 20261127T115500Z (20261127T120000Z - 5 min.)"
    )
    error = answer("InvalidSignatureException", 403, message=said + " x-amz-security-token:SECRET")
    assert (type(error), error.code) == (CredentialsError, "RequestTimeTooSkewed")
    assert "clock" in str(error)
    assert "20261127T115500Z" in str(error)
    assert "SECRET" not in str(error)
    assert "clock" in str(answer("RequestTimeTooSkewed", 403, message="SECRET"))


def test_a_message_without_end_is_cut():
    assert len(str(answer("ValidationException", message="x" * 10**6))) < 1200
