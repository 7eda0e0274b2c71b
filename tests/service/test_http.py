"""One exchange with a server that may do anything: bounded bytes, bounded time, no redirects."""

from __future__ import annotations

import asyncio
import gzip
import io
import itertools
import random
import shutil
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from botocore.httpsession import get_cert_path
from structlog.testing import capture_logs

from batchrun.clock import VirtualClock
from batchrun.errors import BatchrunError, OutcomeUnknownError, ServiceUnusableError
from batchrun.model.paces.rates import UNLIMITED
from batchrun.ports.objects import InputPlace, PlaceKind
from batchrun.service.calling.call_retries import RetrySettings
from batchrun.service.calling.one_try import in_time
from batchrun.service.calling.outage import Patience
from batchrun.service.http import LARGEST, OneExchange
from batchrun.service.login import Login
from batchrun.service.messages import publish
from batchrun.service.pricing import quoted
from batchrun.service.quota import start_run_quota
from batchrun.service.run_logs import run_logs
from batchrun.service.s3.fetching import fetch
from batchrun.service.s3.input_lookup import InputLookup
from batchrun.service.s3.object_calls import keys_under, object_calls
from batchrun.service.s3.putting import put
from batchrun.service.s3.run_outputs import run_outputs
from batchrun.service.target import Target
from tests.certificates import certificate
from tests.hostile import JSON, Answer, Asked, Stranger, always, endless, head, whole
from tests.world import connected, start

ONCE = RetrySettings(patience=0)
MEGABYTE = b" " * 2**20


async def looked_at(stranger: Stranger) -> OutcomeUnknownError:
    """Call GetRun once, and return what it ended in."""
    async with connected(endpoint_url=stranger.url, retry=ONCE) as (service, _):
        with pytest.raises(OutcomeUnknownError) as caught:
            await service.get_run("1")
        return caught.value


async def test_no_more_of_an_answer_is_read_than_any_needs():
    chunk = b"%x\r\n%b\r\n" % (len(MEGABYTE), MEGABYTE)
    for first, piece in (
        (head(200, {**JSON, "Transfer-Encoding": "chunked"}), chunk),
        (head(200, {**JSON, "Content-Length": str(1500 * 2**20)}), MEGABYTE),
        (head(503, {**JSON, "Content-Length": str(1500 * 2**20)}), MEGABYTE),
    ):
        async with Stranger(endless(first, piece)).served() as stranger:
            error = await looked_at(stranger)
            assert error.code == "AnswerTooLargeError"
            assert LARGEST <= stranger.sent < 2 * LARGEST
            assert len(stranger.asked) == 1


async def test_what_is_compressed_is_never_unpacked():
    bomb = gzip.compress(b'{"id": "1", "status": "RUNNING", "padding": "%b"}' % (b"x" * 2**26))
    answer = whole(200, bomb, {**JSON, "Content-Encoding": "gzip"})
    async with Stranger(always(answer)).served() as stranger:
        await looked_at(stranger)
        assert "gzip" not in stranger.asked[0].headers.get("accept-encoding", "")


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
        (head(200, {**JSON, "Content-Length": "1000"}), b"x"),
        (head(503, {**JSON, "Content-Length": "1000"}), b"x"),
        (b"", head(100)),
    ],
    ids=["a header", "a body", "an error's body", "only that it comes"],
)
async def test_an_answer_of_a_byte_a_second_ends_when_an_answer_has_to(first, piece):
    async with Stranger(endless(first, piece, every=1)).served() as stranger:
        begun = anyio.current_time()
        await looked_at(stranger)
        assert 30 <= anyio.current_time() - begun <= 40


async def test_headers_without_an_end_are_not_read_on():
    async with Stranger(
        endless(b"HTTP/1.1 200 OK\r\n", b"X-More: %b\r\n" % (b"x" * 4000))
    ).served() as stranger:
        await looked_at(stranger)
        assert stranger.sent < 2 * LARGEST


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status, monkeypatch):
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-token-that-must-not-be-seen")
    async with Stranger(always(whole(200, b'{"id": "1", "status": "RUNNING"}'))).served() as elsewhere:
        answer = whole(status, b"", {"Location": f"{elsewhere.url}/run/1?token=secret"})
        async with Stranger(always(answer)).served() as stranger:
            error = await looked_at(stranger)
            assert len(stranger.asked) == 1
        assert elsewhere.asked == []
    assert error.code == "Redirected"
    assert elsewhere.url in error.message
    assert "secret" not in error.message


async def test_a_redirect_from_the_start_is_not_borne_like_an_outage():
    async with Stranger(always(whole(301, b"", {"Location": "https://other.example/"}))).served() as stranger:
        patience = Patience(first_contact=20)
        async with connected(endpoint_url=stranger.url, patience=patience) as (service, _):
            with pytest.raises(ServiceUnusableError, match=r"Redirected.*https://other\.example"):
                await service.get_run("1")
            assert anyio.current_time() < 60


async def test_a_server_without_tls_is_told_as_that():
    async with connected() as (_, simulator):
        endpoint = simulator.url.replace("http://", "https://")
        async with connected(endpoint_url=endpoint, retry=ONCE) as (service, _):
            with pytest.raises(OutcomeUnknownError, match=f"{endpoint}/run/1 speaks no TLS; write http://"):
                await service.get_run("1")


async def test_this_machine_is_never_reached_through_a_proxy(monkeypatch):
    """Seen: behind a company's proxy, "batchrun demo" ended with 5."""
    async with Stranger(always(whole(200, b"{}"))).served() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        async with connected() as (service, simulator):
            run = await start(service)
        assert [run.id for run in simulator.state().runs] == [run.id]
        assert proxy.asked == []


async def test_a_proxy_through_which_nothing_answers_is_named(monkeypatch):
    async with Stranger(always(whole(200, b""))).served() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.replace("//", "//me:hunter2@"))
        patience = Patience(first_contact=20)
        async with connected(endpoint_url="http://omics.example", patience=patience) as (service, _):
            told = (
                rf"check network, the proxy http://\*\*\*@{proxy.url.removeprefix('http://')}, --endpoint-url"
            )
            with pytest.raises(ServiceUnusableError, match=told):
                await service.get_run("1")
        assert proxy.asked


def role_to_assume(folder: Path) -> Path:
    """Configure a profile ``role`` whose credentials take a call of STS."""
    config = folder / "config"
    config.write_text(
        "[default]\naws_access_key_id = AKIATEST\naws_secret_access_key = secret\n"
        "[profile role]\nsource_profile = default\nregion = us-east-1\n"
        "role_arn = arn:aws:iam::123456789012:role/x\n"
    )
    return config


async def role_assumed() -> None:
    async with connected(profile="role") as (service, _):
        await service.get_run("1")


async def keys_listed(login: Login) -> None:
    async for _ in keys_under(login, "lab", "", None):
        pass


async def looked_at_two() -> None:
    clock = VirtualClock()
    places = [InputPlace(kind=PlaceKind.OBJECT, uri=uri) for uri in ("s3://lab/a", "s3://lab/b")]
    async with object_calls(Login(Target()), rate=UNLIMITED, clock=clock, rng=random.Random(1)) as calls:
        await InputLookup(calls).look_at(iter(places), lambda _place, _sight: None)


OTHER_CALLS: dict[str, Callable[[], Awaitable[object]]] = {
    "s3 list": lambda: keys_listed(Login(Target())),
    "s3 head": looked_at_two,
    "sns": lambda: publish(Target(), "us-east-1", {"TopicArn": "arn:aws:sns:us-east-1:1:x", "Message": "x"}),
    "pricing": lambda: quoted(Login(Target()), "us-east-1"),
    "service-quotas": lambda: start_run_quota(Login(Target()), "https://omics.us-east-1.amazonaws.com"),
    "sts, on the way to credentials": role_assumed,
}


@pytest.mark.long
@pytest.mark.parametrize("call", OTHER_CALLS.values(), ids=OTHER_CALLS)
@pytest.mark.parametrize("way", ["elsewhere", "slowly", "too much"])
async def test_no_client_is_led_elsewhere_held_up_or_flooded(call, way, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_CONFIG_FILE", str(role_to_assume(tmp_path)))
    async with Stranger(always(whole(200, b"{}"))).served() as other:
        answer = {
            "elsewhere": always(whole(307, b"", {"Location": f"{other.url}/x"})),
            "slowly": endless(head(200, {"Content-Length": "10000"}), b" ", every=1),
            "too much": endless(head(200, {"Content-Length": str(2**40)}), MEGABYTE),
        }[way]
        async with Stranger(answer).served() as stranger:
            monkeypatch.setenv("AWS_ENDPOINT_URL", stranger.url)
            with suppress(BatchrunError):
                await call()
            assert anyio.current_time() < 400
            assert 0 < len(stranger.asked) < 20
            assert stranger.sent < 2 * LARGEST * len(stranger.asked)
        assert other.asked == []


async def files_listed(login: Login) -> None:
    async with run_outputs(login, beside="") as outputs:
        await outputs.files("s3://lab/a", most=10)


async def log_read(login: Login) -> None:
    async with run_logs(login, region="us-east-1", beside="") as logs:
        async for _ in logs.pages("run/1"):
            pass


async def summary_read(login: Login) -> None:
    async with run_outputs(login, beside="") as outputs:
        await outputs.summary("s3://lab/a")


async def file_fetched(login: Login) -> None:
    await fetch(login, "s3://lab/a.csv", io.BytesIO(), most=1000)


async def file_put(login: Login) -> None:
    await put(login, "s3://lab/a.csv", io.BytesIO(b"a"), 1, asked={}, replaces=True)


async def inputs_looked_at(_: Login) -> None:
    await looked_at_two()


WAITED = {
    keys_listed: 75,
    files_listed: 75,
    summary_read: 75,
    file_fetched: 75,
    log_read: 75,
    inputs_looked_at: 75,
    file_put: 190,
}


@pytest.mark.parametrize(("call", "longest"), WAITED.items())
async def test_what_somebody_waits_for_is_said_and_has_an_end(call, longest, monkeypatch):
    silence = endless(b"", b"", every=1_000)
    async with Stranger(silence).served() as stranger:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stranger.url)
        begun = anyio.current_time()
        with capture_logs() as said, pytest.raises(BatchrunError):
            await call(Login(Target()))
        assert 30 <= anyio.current_time() - begun <= longest
    said = [one for one in said if one["event"] == "waiting_for_answer"]
    assert said[0]["endpoint"] == stranger.url
    assert said[0]["operation"] in {"ListObjectsV2", "GetObject", "GetLogEvents", "HeadObject", "PutObject"}
    assert len(said) == 1


KEYS = (
    "<ListBucketResult><Name>lab</Name><KeyCount>0</KeyCount><IsTruncated>true</IsTruncated>"
    "<NextContinuationToken>{}</NextContinuationToken></ListBucketResult>"
)
LINES = '{{"events": [], "nextForwardToken": "{}"}}'


@pytest.mark.parametrize(
    ("call", "page"),
    [(keys_listed, KEYS), (files_listed, KEYS), (log_read, LINES)],
    ids=["s3", "made", "logs"],
)
async def test_a_list_whose_pages_go_round_is_none(call, page, monkeypatch):
    tokens = itertools.cycle("ab")

    async def answer(_: Asked) -> Answer:
        yield whole(200, page.format(next(tokens)).encode())

    async with Stranger(answer).served() as stranger:
        monkeypatch.setenv("AWS_ENDPOINT_URL", stranger.url)
        with pytest.raises(BatchrunError, match="its pages have no end"):
            await call(Login(Target(region="us-east-1")))
        assert len(stranger.asked) == 3


async def test_a_login_has_a_deadline_whatever_it_asks(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_CONFIG_FILE", str(role_to_assume(tmp_path)))
    async with Stranger(endless(b"", head(100), every=1)).served() as sts:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        with pytest.raises(ServiceUnusableError, match=r"profile 'role' .* no credentials came within 15 s"):
            async with connected(profile="role"):
                pass
        assert anyio.current_time() == pytest.approx(15, abs=1)


@pytest.mark.parametrize("page", [b"<html><body>Sign in</body></html>", b"", b"{}"])
async def test_a_page_in_the_place_of_sts_is_no_setting_to_correct(page, monkeypatch, tmp_path):
    """Seen: 'the credentials cannot be read (KeyError: 'AssumeRoleResult'); correct that'."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(role_to_assume(tmp_path)))
    async with Stranger(always(whole(200, page, {"Content-Type": "text/html"}))).served() as sts:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        told = r"profile 'role' .* has no credentials .*, as a proxy's page has none; check the network"
        with pytest.raises(ServiceUnusableError, match=told):
            async with connected(profile="role"):
                pass


async def test_a_call_has_a_deadline_its_signature_included():
    begun = anyio.current_time()
    with pytest.raises(OutcomeUnknownError, match=r"CallTimeout.*signature included"):
        await in_time(anyio.sleep_forever(), "GetRun", Target().call_timeout)
    assert anyio.current_time() - begun == pytest.approx(Target().call_timeout, abs=1)


def test_clients_that_trust_the_same_certificates_read_them_once(tmp_path):
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(Path(str(get_cert_path(verify=True))).read_bytes())

    def made(**settings: object) -> object:
        return OneExchange(timeout=(1, 1), **settings)._build_verify_context()

    assert made() is made(verify=True)
    assert made(verify=str(bundle)) is made(verify=str(bundle))
    assert len({made(), made(verify=False), made(verify=str(bundle))}) == 3
    for own in ({"client_cert": "cert.pem"}, {"proxies_config": {"proxy_ca_bundle": str(bundle)}}):
        assert len({made(), made(**own), made(**own)}) == 3


async def test_a_proxy_without_tls_is_not_told_as_the_endpoint(monkeypatch):
    """Seen: with HTTPS_PROXY=https://... for a usual proxy, the endpoint was said to want http://."""
    async with connected() as (_, simulator):
        address = simulator.url.removeprefix("http://")
        monkeypatch.setenv("HTTPS_PROXY", f"https://me:hunter2@{address}")
        async with connected(endpoint_url="https://omics.example", retry=ONCE) as (service, _):
            with pytest.raises(OutcomeUnknownError) as told:
                await service.get_run("1")
    assert told.value.message == (
        f"the proxy https://{address} speaks no TLS; write http://{address} in HTTPS_PROXY: calls through it "
        "are encrypted all the same"
    )


def test_certificates_are_looked_at_as_on_every_python():
    """Since 3.13 Python's own way refuses what many labs' proxies sign with; botocore's does not."""
    for verify in (True, str(get_cert_path(verify=True))):
        made = OneExchange(timeout=(1, 1), verify=verify)._build_verify_context()
        assert not made.verify_flags & ssl.VERIFY_X509_STRICT
        assert (made.verify_mode, made.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here, to make a certificate with")
@pytest.mark.parametrize(
    ("host", "is_known", "told"),
    [
        ("localhost", False, r"\(self-signed certificate\); .* with AWS_CA_BUNDLE"),
        (
            "127.0.0.1",
            True,
            r"\(IP address mismatch.*\); give the endpoint by a name that the certificate is for",
        ),
    ],
)
async def test_a_certificate_that_is_not_trusted_says_whose_and_what_to_do(
    tmp_path, monkeypatch, host, is_known, told
):
    certificate(tmp_path, "localhost")
    if is_known:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "localhost.crt"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "localhost.crt", tmp_path / "localhost.key")
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context)
    async with server:
        url = f"https://{host}:{server.sockets[0].getsockname()[1]}"
        told = rf"{url}/run/1 is not trusted {told}"
        async with connected(endpoint_url=url, retry=ONCE) as (service, _):
            with pytest.raises(OutcomeUnknownError, match=told):
                await service.get_run("1")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here, to make a certificate with")
async def test_a_proxys_certificate_is_not_told_as_the_endpoints(tmp_path, monkeypatch):
    certificate(tmp_path, "localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "localhost.crt", tmp_path / "localhost.key")
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context)
    async with server:
        proxy = f"https://localhost:{server.sockets[0].getsockname()[1]}"
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        async with connected(endpoint_url="https://omics.example", retry=ONCE) as (service, _):
            with pytest.raises(OutcomeUnknownError, match=f"certificate of the proxy {proxy} is not trusted"):
                await service.get_run("1")
