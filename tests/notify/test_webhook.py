"""An address that takes a POST: which, how often, and what is told of it."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from collections.abc import Sequence

import anyio
import pytest
from aiohttp import web

from batchrun.clock import VirtualClock
from batchrun.errors import NoticeError, UsageError
from batchrun.notify.webhook import Webhook
from tests.certificates import certificate
from tests.hostile import Stranger, endless, head
from tests.notify.samples import message, serving


class Hooks:
    """Answers with these codes in turn, the last for ever."""

    def __init__(self, *codes: int) -> None:
        self._codes: Sequence[int] = codes
        self.taken: list[tuple[str, object]] = []

    async def __call__(self, request: web.Request) -> web.Response:
        self.taken.append((request.path_qs, await request.json()))
        code = self._codes[min(len(self.taken), len(self._codes)) - 1]
        headers = {"Location": "/elsewhere"} if code in {301, 307} else {}
        return web.Response(status=code, headers=headers)


@pytest.mark.parametrize("codes", [(200,), (204,), (503, 200), (500, 429, 202)])
async def test_what_fails_in_passing_is_repeated_until_it_is_taken(codes):
    hooks = Hooks(*codes)
    async with serving(hooks) as url:
        await Webhook(f"{url}/T0/secret?x=1", clock=VirtualClock()).deliver(message())
    assert hooks.taken == [("/T0/secret?x=1", message().summary)] * len(codes)


@pytest.mark.parametrize(
    ("code", "tries", "words"),
    [
        (500, 3, "it answers 500; ask its operator"),
        (429, 3, "it answers 429; ask its operator"),
        (403, 1, "it answers 403; check the address and its token"),
        (307, 1, "it answers 307, a redirect; give the address it leads to"),
        (301, 1, "it answers 301, a redirect; give the address it leads to"),
    ],
)
async def test_what_is_not_taken_is_told_and_no_redirect_is_followed(code, tries, words):
    hooks = Hooks(code)
    async with serving(hooks) as url:
        with pytest.raises(NoticeError, match=words):
            await Webhook(f"{url}/T0/secret", clock=VirtualClock()).deliver(message())
    assert [path for path, _ in hooks.taken] == ["/T0/secret"] * tries


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (endless(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x", every=1), "127.0.0.1 cannot be reached: TimeoutError"),
        (endless(b"", head(100), every=1), "127.0.0.1 cannot be reached: TimeoutError"),
        (endless(b"HTTP/1.1 200 OK\r\n", b"X-More: %b\r\n" % (b"x" * 4000)), "127.0.0.1 cannot be reached"),
    ],
    ids=["slow", "to be continued", "headers without an end"],
)
async def test_an_answer_without_an_end_is_not_waited_for(answer, words):
    async with Stranger(answer).served() as stranger:
        with pytest.raises(NoticeError, match=words):
            await Webhook(stranger.url, clock=VirtualClock()).deliver(message())
        assert anyio.current_time() < 40
        assert stranger.sent < 2**22


async def test_no_more_of_an_answer_is_taken_than_whether_it_was():
    flood = endless(head(200, {"Content-Length": str(2**40)}), b" " * 2**20)
    async with Stranger(flood).served() as stranger:
        await Webhook(stranger.url, clock=VirtualClock()).deliver(message())
        assert stranger.sent < 2**24


async def test_nobody_there_is_told_without_the_address():
    async with serving(Hooks(200)) as url:
        pass
    with pytest.raises(NoticeError) as caught:
        await Webhook(f"{url}/T0/secret", clock=VirtualClock()).deliver(message())
    assert "127.0.0.1 cannot be reached" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here, to make a certificate with")
async def test_a_certificate_that_is_not_trusted_is_told_once_with_what_to_do(tmp_path):
    certificate(tmp_path, "localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "localhost.crt", tmp_path / "localhost.key")
    begun = anyio.current_time()
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context) as server:
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}/secret"
        told = r"certificate of localhost is not trusted \(self-signed certificate\); .* with SSL_CERT_FILE$"
        with pytest.raises(NoticeError, match=told):
            await Webhook(url, clock=VirtualClock()).deliver(message())
    assert anyio.current_time() < begun + 1  # the first retry would wait for a second


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/secret",
        "http://127.0.0.1.example.org/secret",
        "http://10.0.0.1/secret",
        "hooks.example.org/secret",
        "ftp://127.0.0.1/secret",
        "https:///secret",
        "https://hooks.example.org:99999/secret",
        "https://[::1/secret",
        "https://hooks.example.org/secret\nHost: x",
        "",
    ],
)
def test_an_address_that_is_none_or_can_be_read_on_the_way_is_refused_without_showing_it(url):
    with pytest.raises(UsageError) as caught:
        Webhook(url, clock=VirtualClock())
    assert "secret" not in str(caught.value)
    assert "https://" in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://hooks.example.org/secret", "http://localhost:1/secret", "http://[::1]:1/secret"]
)
def test_its_name_is_its_host_alone(url):
    assert "secret" not in Webhook(url, clock=VirtualClock()).name
