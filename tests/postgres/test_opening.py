"""How a ledger in PostgreSQL is named, opened and refused; who may do what; and no password anywhere."""

from __future__ import annotations

import secrets
import subprocess
import sys
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from batchrun.errors import LeaseHeldError, LedgerError, LedgerUnusableError, UsageError
from batchrun.ledger import LedgerPlace, open_ledger
from batchrun.ledger.postgres.migrate import grant, migrate
from batchrun.ledger.postgres.statements import migrations
from batchrun.ledger.statements import Migration
from batchrun.ledger.verify import Verification
from batchrun.model.entries.events import Refused
from batchrun.model.entries.states import State
from batchrun.model.planning.limits import Changed
from tests.ledger.samples import AT, BATCH, TTL, filled, intended, lease_on, move, specs
from tests.ledger.submitting import taken, together
from tests.nursery import run


@pytest.mark.parametrize(
    ("named", "called"),
    [
        ("postgresql://me:s3cret@h:5432/db?sslmode=require", "postgresql://me@h:5432/db"),
        ("postgres://me:a@s3cret@h/db", "postgres://me@h/db"),
        ("postgresql:///db?host=/run/pg&user=me&password=s3cret", "postgresql:///db?host=/run/pg&user=me"),
        ("service=team password='s3cret host=x'", "service=team"),
        ("host=h password = s3cret dbname='a db' user=me", "host=h dbname='a db' user=me"),
        ("password=s3cret", "the PostgreSQL ledger"),
        ("postgresql://me@h/db&password=s3cret", "postgresql://me@h/db"),
        ("postgresql://h/db?password=a@s3cret", "postgresql://h/db"),
        ("postgresql:///db?password=s3cret&user=me@corp", "postgresql:///db?user=me@corp"),
        ("postgresql://me:a?s3cret@h/db", "postgresql://me@h/db"),
        ("postgresql://me:a/b?s3cret@h/db", "postgresql://me@h/db"),
        ("postgresql://me:1/b?s3cret@h/db?user=you@corp", "postgresql://me@h/db?user=you@corp"),
        ("postgresql://me:a?s3/cret@h/db", "postgresql://me@h/db"),
        ("postgresql://me:s3cret", "postgresql://me"),  # its host was forgotten
        ("postgresql://me:s3cret/db", "postgresql://me"),
        ("postgresql://h/db?password=user=s3cret", "postgresql://h/db"),
        ("postgresql://h/db?user=me;password=s3cret", "postgresql://h/db"),
        ("postgresql://h/db?password=a;user=s3cret", "postgresql://h/db"),
        ("host=h dbname=postgresql://me:x@h/db password=s3cret", "host=h"),
        ("postgresql://s3cret?", "postgresql://s3cret"),  # a host, then, and no secret
    ],
)
def test_an_address_is_told_without_its_password(named, called):
    assert LedgerPlace(named).has_password is (not named.endswith("?"))
    assert not LedgerPlace(called).has_password
    assert str(LedgerPlace(named)) == called
    assert LedgerPlace(named).path is None


@pytest.mark.parametrize(
    "named", ["batchrun.db", "./service=x/batchrun.db", "a=b", "postgres", "postgres/x.db", "/tmp/x.db"]
)
def test_a_path_stays_a_path(named):
    assert str(LedgerPlace(named)) == named
    assert str(LedgerPlace(named).path) == str(named).removeprefix("./")


@pytest.mark.parametrize(
    ("address", "error", "word"),
    [
        ("postgresql://me:s3cret@127.0.0.1:1/db", LedgerError, "cannot be reached"),
        ("postgresql://me:s3cret@h.invalid/db", LedgerUnusableError, "check the host's name"),
        ("postgresql://me:s3cret@/db?odd=s3cret", LedgerUnusableError, "no address of a PostgreSQL ledger"),
        ("service=no-such-service password=s3cret", LedgerUnusableError, "check PGSERVICEFILE"),
        ("postgresql://me:a@s3cret@h.invalid/db", LedgerUnusableError, "write @ in its"),
        ("postgresql://me:s3cret/b@h.invalid/db", LedgerUnusableError, "as %40, / as %2F"),
        ("postgresql://me:s3cret/b?c@h.invalid/db", LedgerUnusableError, "as %3F"),
        ("postgresql://me:s3cret", LedgerUnusableError, "PGPASSFILE: postgresql://USER@HOST/DATABASE"),
        ("postgresql://me@127.0.0.1:1/db&password=s3cret", LedgerUnusableError, "before its first setting"),
        ("host=h.invalid,password=s3cret", LedgerUnusableError, "with blanks between them"),
        ("host=me:s3cret@h.invalid dbname=d", LedgerUnusableError, "or else a URL alone"),
        ("dbname=postgresql://me:s3cret@h/db", LedgerUnusableError, "or else a URL alone"),
        (" postgresql://me:s3cret@h/db", LedgerUnusableError, "keeps ledgers in SQLite files and in"),
        (
            "jdbc:postgresql://h/db?password=s3cret",
            LedgerUnusableError,
            "keeps ledgers in SQLite files and in",
        ),
        ("postgres:/me:s3cret@h/db", LedgerUnusableError, r"^postgres:\.\.\.: .* postgresql://HOST/DATABASE"),
        ("PostgreSQL//me:s3cret@h/db", LedgerUnusableError, r"^PostgreSQL//\.\.\.: "),
        ("postgresql://127.0.0.1:1/db?sslmode=odd", LedgerUnusableError, "correct it in the address"),
        ("postgresql://127.0.0.1:99999/db", LedgerUnusableError, "correct it in the address"),
    ],
)
async def test_what_cannot_be_connected_to_says_why_and_no_password(address, error, word):
    with pytest.raises(error, match=word) as raised:
        await open_ledger(address)
    assert "s3cret" not in str(raised.value)


async def test_a_database_that_is_none_is_named(postgres):
    with pytest.raises(LedgerUnusableError, match=r'database "none" does not exist; check the names'):
        await open_ledger(postgres.database("none"))
    empty = postgres.make()
    assert not LedgerPlace(empty).is_there()
    with pytest.raises(LedgerUnusableError, match=r"no ledger at postgresql://"):
        await open_ledger(empty, read_only=True)
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute("CREATE TABLE entries (x int)")
    with pytest.raises(LedgerUnusableError, match="another program's tables in schema public"):
        await open_ledger(empty)
    postgres.drop(empty)


@pytest.mark.parametrize(
    "verb", ["status", "results", "costs", "outputs", "logs x", "show x", "cancel", "retry", "delete"]
)
def test_no_verb_tells_the_password_of_a_place_without_a_ledger(postgres, tmp_path, verb):
    empty = postgres.make()
    place = empty.replace("postgres@", "postgres:s3cret@")
    ended = run([*verb.split(), "--ledger", place], cwd=tmp_path)
    assert ended.returncode == 2, ended.stderr
    assert f"no ledger at {empty.partition('?')[0]}" in ended.stderr
    assert "s3cret" not in ended.stderr
    postgres.drop(empty)


def test_without_its_extra_it_says_what_to_install():
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from batchrun.cli.main import main\n"
        "sys.argv = ['batchrun', 'status', '--ledger', 'postgresql://h/db']\nmain()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "pip install 'batchrun[postgres]'" in ended.stderr


@pytest.mark.long
def test_a_file_s_users_load_no_driver():
    code = "import sys, batchrun.api.session, batchrun.ledger; assert 'psycopg' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def roles(postgres):
    """An owner's database, without a ledger yet, and its address for an owner, a launcher and a reader."""
    names = [f"{who}_{secrets.token_hex(4)}" for who in ("owner", "launch", "read")]
    url = postgres.make()
    database = urlsplit(url).path[1:]
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        for name in names:
            connection.execute(f"CREATE ROLE {name} LOGIN")
        connection.execute(f"ALTER DATABASE {database} OWNER TO {names[0]}")
        connection.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
    yield names, [url.replace("postgres@", f"{name}@") for name in names]
    postgres.drop(url)
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        for name in names:
            connection.execute(f"DROP ROLE {name}")


async def test_an_owner_lets_others_launch_and_read_and_no_more(roles):
    (_, launches, reads), (owner, launcher, reader) = roles
    LedgerPlace(owner).init(launchers=[launches], readers=[reads])
    LedgerPlace(owner).init(launchers=[launches], readers=[reads])  # safe to repeat
    async with await open_ledger(launcher) as ledger:
        await ledger.open_batch(BATCH, region="us-east-1", at=AT)
        held = await ledger.hold(BATCH, holder="host:1", ttl=TTL, at=AT)
        await held.sync(specs("a", "b"), changed=Changed.REFUSE, at=AT)
        await move(held, "a", intended())
        await held.sync(specs("b", "a", "c"), changed=Changed.KEEP, at=AT)
        await held.submissions.keep_shapes({"b": "x", "c": "x"})
        await held.submissions.keep(taken(await together(held, 1, "bc")))
        await move(held, "b", Refused(at=AT, code="C", message="m"))
        await held.requests.retry(["b"], at=AT, why="its shape is forgotten")
        assert await ledger.batch(BATCH).requests.retry(["b"], at=AT, why="asked") == []
    async with await open_ledger(reader, read_only=True) as ledger:
        assert (await ledger.batch(BATCH).compare(specs("a", "b", "d"))).new == 1
        assert len([one async for one in ledger.batch(BATCH).story.outcomes()]) == 3
    with pytest.raises(LedgerUnusableError, match=r"may not do that .*batchrun ledger init"):
        await open_ledger(reader)
    for address, sql in [
        (launcher, "DELETE FROM events"),
        (launcher, "UPDATE events SET at = 0"),
        (launcher, "DELETE FROM entries"),
        (launcher, "DELETE FROM submissions"),
        (launcher, "UPDATE submission_rows SET attempt = 1"),
        (launcher, "DROP TABLE events"),
        (reader, "UPDATE leases SET fence = fence"),
        (reader, "INSERT INTO batches (name, region, created_at) VALUES ('x', 'x', 0)"),
    ]:
        with (
            psycopg.connect(address, autocommit=True) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(sql)


async def test_who_may_only_read_by_default_is_told_at_once(roles, postgres):
    """As on a standby server: a launch would wait for it as for one that is away."""
    (owns, _, reads), (owner, _, reader) = roles
    async with await open_ledger(owner) as ledger:
        await filled(ledger, "a")
    LedgerPlace(owner).init(launchers=[], readers=[reads])
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        for role in (owns, reads):
            connection.execute(f"ALTER ROLE {role} SET default_transaction_read_only = on")
    with pytest.raises(LedgerUnusableError, match=r"can only be read .*standby.* primary's address"):
        await open_ledger(owner)
    async with await open_ledger(reader, read_only=True) as ledger:
        assert (await ledger.batch(BATCH).compare(specs("a", "b"))).new == 1  # in tables of its own


@pytest.mark.parametrize("setting", ["statement_timeout", "lock_timeout"])
async def test_a_bound_of_the_server_s_owner_is_told_as_what_to_raise(in_postgres, setting):
    async with await open_ledger(in_postgres) as ledger:
        await filled(ledger, "a")
    with psycopg.connect(in_postgres) as other:
        other.execute("LOCK TABLE batches IN ACCESS EXCLUSIVE MODE")
        address = make_conninfo(in_postgres, options=f"-c {setting}=1ms")
        with pytest.raises(LedgerError, match=r"raise this user's statement_timeout or lock_timeout, then"):
            async with await open_ledger(address, read_only=True) as ledger:
                await ledger.batches()


async def test_who_may_make_nothing_is_sent_to_the_owner(roles, postgres):
    (owns, launches, _), (owner, launcher, _) = roles
    database = urlsplit(owner).path[1:]
    with psycopg.connect(postgres.database(database), autocommit=True) as connection:
        connection.execute(f"GRANT CONNECT ON DATABASE {database} TO {launches}")
        # In PostgreSQL 14 everybody has it.
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        connection.execute(f"GRANT CREATE ON SCHEMA public TO {owns}")
    with pytest.raises(LedgerUnusableError, match=rf"holds no ledger yet.*init --launcher {launches}"):
        await open_ledger(launcher)
    with pytest.raises(LedgerUnusableError, match='role "nobody_at_all" does not exist'):
        LedgerPlace(owner).init(launchers=["nobody_at_all"], readers=[])


async def test_who_may_launch_or_read_may_do_so_in_what_an_upgrade_brings(roles, postgres):
    (_, launches, reads), (owner, launcher, reader) = roles
    with psycopg.connect(postgres.database(urlsplit(owner).path[1:]), autocommit=True) as connection:
        connection.execute("CREATE TABLE of_somebody_else (x INT)")
    with psycopg.connect(owner, autocommit=True) as connection:
        migrate(connection, migrations()[:1], owner)
    with psycopg.connect(owner, autocommit=True) as connection:
        grant("it", connection, launchers=[launches], readers=[reads])
    with pytest.raises(LedgerUnusableError, match=rf"has schema version 1, .* init --launcher {launches}"):
        await open_ledger(launcher)
    LedgerPlace(owner).init(launchers=[], readers=[])
    async with await open_ledger(launcher) as ledger:
        held = await filled(ledger, "a", "b")
        await held.submissions.keep_shapes({"a": "x"})
        await held.submissions.keep(taken(await together(held, 1, "a")))
    async with await open_ledger(reader, read_only=True) as ledger:
        assert (await ledger.batch(BATCH).counts()).total == 2
        assert await ledger.batch(BATCH).submissions.count() == 1
    with psycopg.connect(reader) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("DELETE FROM shapes")
    with psycopg.connect(reader) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT * FROM of_somebody_else")


def test_a_file_has_no_roles(tmp_path):
    with pytest.raises(UsageError, match="has no roles"):
        LedgerPlace(tmp_path / "x.db").init(launchers=["me"], readers=[])


async def test_what_an_older_schema_has_is_counted(postgres):
    url = postgres.make()
    with psycopg.connect(url, autocommit=True) as connection:
        migrate(connection, migrations()[:1], url)
        connection.execute(
            "INSERT INTO batches (name, region, created_at) VALUES ('cohort', 'us-east-1', 0);"
            "INSERT INTO entries (batch, id, position, request) VALUES (1, 'a', 0, '{}'), (1, 'b', 1, '{}')"
        )
    async with await open_ledger(url) as ledger:
        assert (await ledger.batch(BATCH).counts()).by_state == {State.PLANNED: 2}
    assert not [one for one in Verification(url).findings() if "counts" in one.what]
    postgres.drop(url)


async def test_a_newer_batchrun_waits_for_an_older_launcher_before_it_changes_the_tables(
    postgres, monkeypatch
):
    """Seen: the launcher that lived ended with a defect: a statement was refused."""
    url = postgres.make()  # its own: no other test could use it after this
    last = migrations()[-1].number
    newer = (*migrations(), Migration(number=last + 1, name="more", sql="CREATE TABLE more (x INT)"))
    async with await open_ledger(url) as older:
        held = await filled(older, "a")
        monkeypatch.setattr("batchrun.ledger.postgres.connection.migrations", lambda: newer)
        told = f"host:1, a launcher of an older batchrun that holds batch '{BATCH}' .schema version {last},"
        with pytest.raises(LeaseHeldError, match=told):
            await open_ledger(url)
        await move(held, "a", intended())
        await held.release()
        async with await open_ledger(url):
            pass
        with pytest.raises(LedgerUnusableError, match=f"to schema version {last + 1} meanwhile"):
            await lease_on(older)
        assert await older.batch(BATCH).holder(at=AT) is None
    postgres.drop(url)


async def test_a_newer_batchrun_that_changes_the_tables_meanwhile_is_no_defect_of_who_reads(
    postgres, monkeypatch
):
    """Seen: batchrun serve, begun before an upgrade, ended with 70, a defect of its own."""
    url = postgres.make()
    number = migrations()[-1].number + 1
    text = "ALTER TABLE batches RENAME COLUMN region TO zone"
    newer = (*migrations(), Migration(number=number, name="renamed", sql=text))
    async with await open_ledger(url) as launching:
        await (await filled(launching, "a")).release()
    async with await open_ledger(url, read_only=True) as older:
        assert await older.find_batch(BATCH)
        monkeypatch.setattr("batchrun.ledger.postgres.connection.migrations", lambda: newer)
        await (await open_ledger(url)).close()
        with pytest.raises(LedgerUnusableError, match=f"to schema version {number} meanwhile"):
            await older.find_batch(BATCH)
    postgres.drop(url)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://127.0.0.1:1/db?password=a@b/c",
        "postgresql://127.0.0.1:1/db?user=me@corp",
        "postgresql://[::1]:1,127.0.0.1:1/db",
        "postgresql://me:s3cret@[::1]:1/db",
    ],
)
async def test_what_is_no_part_of_a_password_is_left_to_libpq(address):
    with pytest.raises(LedgerError, match=r"cannot be reached.*Connection refused"):
        await open_ledger(address)
