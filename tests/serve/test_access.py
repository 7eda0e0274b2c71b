"""Who is let in, asked over real sockets; whoever is not gets a 4xx, and no data."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping
from typing import Any

import pytest
from yarl import URL

from batchrun.clock import VirtualClock
from batchrun.serve import server
from batchrun.serve.access import RequestFacts, Rules, TrustedProxy, Verdict
from tests.ledger.samples import AT
from tests.serve.conftest import SESSION, TOKEN, Site, filled, site

SECRET = "the-name-of-a-batch"
PAGES = ["/", f"/batch?name={SECRET}", f"/rows?name={SECRET}", f"/row?name={SECRET}&id=a"]
PAGES += [f"/row.json?name={SECRET}&id=a", "/events", f"/events?name={SECRET}", "/live.js", "/live.css"]


@pytest.fixture
async def secret(served):
    await filled(served.ledger, "a", batch=SECRET)
    return served


async def asked(one: Site, path: str, **headers: str) -> tuple[int, str, Mapping[str, str]]:
    address = URL(one.url + path, encoded=True)  # just as it is, dots and all
    async with one.http.get(address, headers=headers, allow_redirects=False) as answer:
        return answer.status, await answer.text(), answer.headers


@pytest.mark.parametrize("path", PAGES)
async def test_without_the_cookie_there_is_nothing(secret, path):
    status, text, _ = await asked(secret, path)
    assert status == 401
    assert SECRET not in text
    for cookie in ("", "x" * 43, TOKEN, SESSION[:-1], f"{SESSION}é"):
        name = next(iter(secret.cookie.values())).split("=")[0]
        assert (await asked(secret, path, Cookie=f"{name}={cookie}"))[0] == 401


@pytest.mark.parametrize(
    "foreign",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8766"},
        {"Host": "192.0.2.1"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "localhost.evil.example"},
        {"Host": "evillocalhost"},
        {"Host": "["},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Origin": "file://"},
        {"Origin": "app://lab.example"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    ],
    ids=str,
)
async def test_a_foreign_host_or_origin_gets_nothing_even_with_the_cookie(secret, foreign):
    for path in (*PAGES, "/../../etc/passwd", "/static/..%2f..%2fetc/passwd"):
        status, text, headers = await asked(secret, path, **secret.cookie, **foreign)
        assert 400 <= status < 500, path
        assert SECRET not in text, path
        assert "root:" not in text, path
        assert "Set-Cookie" not in headers, path


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:99", "lab.localhost:99", "127.0.0.1:99", "[::1]:99", "lab.example:443"]
)
async def test_names_that_lead_here_alone_are_ours_at_any_port(secret, host):
    status, text, _ = await asked(secret, "/", Host=host, Origin=f"http://{host}", **secret.cookie)
    assert (status, SECRET in text) == (200, True)


async def test_the_token_is_exchanged_for_a_cookie_and_gone_from_the_address(secret):
    status, _, headers = await asked(secret, f"/?token={TOKEN}")
    assert (status, headers["Location"]) == (303, "/")
    name, _, rest = headers["Set-Cookie"].partition("=")
    value, *flags = rest.split("; ")
    assert name.startswith("batchrun-")
    assert TOKEN not in headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} == set(flags)
    assert (await asked(secret, "/", Cookie=f"{name}={value}"))[0] == 200


@pytest.mark.parametrize("path", ["/?token=", "/?token=x", f"/?token={TOKEN}x", f"/batch?token={TOKEN}"])
async def test_a_wrong_token_or_one_elsewhere_gets_no_cookie(secret, path):
    without: dict[str, str] = {}
    for cookie in (without, secret.cookie):
        status, _, headers = await asked(secret, path, **cookie)
        assert status == 401
        assert "Set-Cookie" not in headers


@pytest.mark.parametrize(
    "path", ["/../../etc/passwd", "//etc/passwd", "/live.js/..", "/%2e%2e/", "/x", "/assets"]
)
async def test_there_are_no_other_paths(secret, path):
    status, text, _ = await asked(secret, path, **secret.cookie)
    assert status == 404
    assert "root:" not in text


@pytest.mark.parametrize("name", ["", "..", "../../etc/passwd", "\x00", "\ud800", "nowhere"])
async def test_there_are_no_other_batches_and_rows(secret, name):
    for path in ("/batch", "/rows", "/events", "/row"):
        given = {"name": name.encode(errors="replace").decode(), "id": "a"}
        status, text = await secret.get(path, params=given)
        assert status == 404, text
        told = (
            given["name"] if given["name"].isprintable() else given["name"].encode("unicode_escape").decode()
        )
        assert f"batch '{told}' here. The batches that there are: /" in text
    assert (await secret.get("/row", params={"name": SECRET, "id": "b"}))[0] == 404


@pytest.mark.parametrize(
    "sent",
    [
        "GET / HTTP/9.9\r\n",
        "GET / HTTP/1.1\r\n{cookie}\r\n\r\n",
        "GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\n{cookie}\x01\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nxxx",
        "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
    ],
)
async def test_nobody_writes_to_its_log_by_what_he_sends(secret, sent, caplog):
    """Seen: a traceback for each, with the cookie of whoever was let in."""
    port = int(secret.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    text = sent.format(cookie=f"Cookie: {secret.cookie['Cookie']}", long="x" * 9000)
    writer.write(text.encode("latin-1"))
    answer = await reader.readline()
    writer.close()
    assert answer[9:12] in (b"400", b"401")
    assert caplog.text == ""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
async def test_it_can_only_be_read(secret, method):
    async with secret.http.request(method, secret.url + "/", headers=secret.cookie) as answer:
        assert answer.status == 405
        assert SECRET not in await answer.text()


async def test_every_answer_says_what_a_browser_may_do_with_it(secret):
    for path, headers in [(path, secret.cookie) for path in (*PAGES[:5], "/live.js", "/none")] + [("/", {})]:
        _, _, told = await asked(secret, path, **headers)
        policy = told["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert (told["X-Content-Type-Options"], told["Referrer-Policy"]) == ("nosniff", "no-referrer")
        assert told["Cache-Control"] == "no-store"
        assert "Access-Control-Allow-Origin" not in told


PROXY = TrustedProxy(header="X-Forwarded-User", addresses=(ipaddress.ip_network("127.0.0.0/8"),))
OTHER = TrustedProxy(header="X-Forwarded-User", addresses=(ipaddress.ip_network("10.0.0.5"),))


@pytest.mark.parametrize(
    ("proxy", "headers", "status"),
    [
        (PROXY, {"X-Forwarded-User": "ann"}, 200),
        (PROXY, {"X-Forwarded-User": " "}, 401),
        (PROXY, {}, 401),
        (OTHER, {"X-Forwarded-User": "ann"}, 401),
        (OTHER, {"X-Forwarded-User": "ann", "X-Forwarded-For": "10.0.0.5"}, 401),
        (None, {"X-Forwarded-User": "ann"}, 401),
        (PROXY, {"X-Forwarded-User": "ann", "Host": "evil.example"}, 421),
    ],
)
async def test_a_proxy_vouches_for_people_where_it_is_believed(tmp_path, proxy, headers, status):
    async with site(tmp_path, VirtualClock(AT), proxy=proxy) as one:
        assert (await asked(one, "/", **headers))[0] == status


@pytest.mark.parametrize(
    ("bound", "host", "is_own"),
    [
        ("127.0.0.1", "127.9.9.9", True),
        ("0.0.0.0", "192.0.2.7:80", True),
        ("0.0.0.0", "evil.example", False),
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.8", False),
        ("192.0.2.7", "localhost", True),
        ("::1", "[::1]:8", True),
        ("localhost", "127.0.0.1:x", False),
    ],
)
def test_addresses_that_lead_here(bound, host, is_own):
    assert Rules(bound=bound, token=TOKEN, session=SESSION).is_own(host) is is_own


def test_two_hosts_are_one_too_many():
    rules = Rules(bound="127.0.0.1", token=TOKEN, session=SESSION)
    said: dict[str, Any] = {
        "method": "GET",
        "path": "/",
        "token": None,
        "cookie": SESSION,
        "peer": "",
        "headers": {},
    }
    for hosts in ((), ("localhost", "localhost")):
        assert rules.judge(RequestFacts(hosts=hosts, **said)) is Verdict.FOREIGN_HOST
    assert TOKEN not in repr(rules)
    assert SESSION not in repr(rules)


async def test_who_connects_and_is_not_let_in_is_hung_up_on(served):
    port = int(served.url.rpartition(":")[2])
    silent, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        assert await silent.read() == b""  # after twenty seconds of this test's time
    except ConnectionResetError:
        pass
    finally:
        writer.close()


async def test_there_is_room_for_so_many_and_no_more(served, monkeypatch):
    monkeypatch.setattr(server, "MOST_STREAMS", 1)
    async with served.http.get(f"{served.url}/events", headers=served.cookie) as first:
        assert (await first.content.readline()).startswith(b"event:")
        assert (await served.get("/events"))[0] == 503
        assert (await served.get("/"))[0] == 200
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 0)
    port = int(served.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        assert await reader.read() == b""
    except ConnectionResetError:
        pass
    finally:
        writer.close()


async def test_who_is_not_let_in_gives_way_to_others(served, monkeypatch):
    """Seen: 600 connections that sent half a request kept everybody out, for as long as they came again."""
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 3)
    port = int(served.url.rpartition(":")[2])
    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
    for _, writer in held:
        writer.write(b"GET / HTTP/1.1\r\nHost: ")
    assert (await served.get("/"))[0] == 200
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await held[0][0].readexactly(1)
    for _, writer in held:
        writer.close()
