"""A ``credential_process``: what it is given, how it ends, and that it does end."""

from __future__ import annotations

from functools import partial

import anyio
import pytest
from structlog.testing import capture_logs

from batchrun.errors import BatchrunError, LoginSettingError, ServiceUnusableError, UsageError
from batchrun.service.login import Login, LoginTimes, helper
from batchrun.service.target import Target
from tests.cli.conftest import until
from tests.service.login.files import Files, is_alive, printing

pytestmark = pytest.mark.real_time


def login() -> Login:
    return Login(Target(profile="lab"))


async def keys(found: Login) -> tuple[str, str, str]:
    assert await found.has_credentials(is_local=False)
    frozen = await (await found.session.get_credentials()).get_frozen_credentials()
    return frozen.access_key, frozen.secret_key, frozen.token


async def refused(files: Files, script: str) -> BatchrunError:
    files.helper(script)
    with pytest.raises((UsageError, ServiceUnusableError)) as caught:
        await login().has_credentials(is_local=False)
    return caught.value


async def test_what_it_prints_is_what_calls_are_signed_with(files):
    files.helper(printing())
    assert await keys(login()) == ("AKIAHELPERHELPER", "s3cret", "t0ken")


async def test_it_is_given_nothing_to_read_and_no_terminal(files):
    read = files.folder / "read"
    files.helper(f"cat > {read}; (: < /dev/tty) 2> /dev/null && echo tty >> {read}; {printing()}")
    await keys(login())
    assert read.read_text() == ""


@pytest.mark.parametrize(
    ("script", "kind", "why"),
    [
        ("echo 'vpn is down' >&2; exit 1", ServiceUnusableError, "ended with exit code 1: vpn is down;"),
        ("printf 'Trace\\n  x\\nError: no\\n\\n' >&2; exit 3", ServiceUnusableError, "code 3: Error: no;"),
        ("printf '\\377\\033[31m' >&2; exit 1", ServiceUnusableError, "ended with exit code 1: "),
        ("exit 1", ServiceUnusableError, "ended with exit code 1; "),
        ("kill -9 $$", ServiceUnusableError, "was ended by signal 9"),
        ("true", ServiceUnusableError, "printed nothing"),
        ("no-such-program", LoginSettingError, "ended with exit code 127: .*not found"),
        ("echo hello", LoginSettingError, "that is not JSON"),
        ("printf '\\377'", LoginSettingError, "that is not JSON"),
        ("head -c 60000 /dev/zero | tr '\\0' '['", LoginSettingError, "that is not JSON"),
        ("echo '[]'", LoginSettingError, "that is not a JSON object"),
        ("echo '{}'", LoginSettingError, "its Version is not there"),
        (printing(Version=2), LoginSettingError, "its Version is 2"),
        (printing(SecretAccessKey=None), LoginSettingError, "SecretAccessKey is not there"),
        (printing(AccessKeyId=""), LoginSettingError, "AccessKeyId is not there"),
        (printing(AccessKeyId=5), LoginSettingError, "AccessKeyId is not text"),
        (printing(SessionToken=[1]), LoginSettingError, "SessionToken is not text"),
        (printing(SessionToken="a b"), LoginSettingError, "token has a character that no key has"),
        (printing(Expiration="tomorrow"), LoginSettingError, "cannot be read"),
        (printing(Expiration="2030-01-01T00:00:00"), LoginSettingError, "cannot be read"),
        (
            printing(Expiration="2020-01-02T03:04:05Z"),
            ServiceUnusableError,
            r"have expired \(2020-01-02 03:04:05 UTC; this machine's clock says 2\d{3}-.* UTC\); renew them",
        ),
        ("yes", LoginSettingError, "prints without limit"),
        ("yes >&2", LoginSettingError, "prints without limit"),
    ],
)  # fmt: skip
async def test_why_it_gave_none_is_told_in_a_line(files, script, kind, why):
    error = await refused(files, script)
    assert type(error) is kind
    assert str(error).startswith(f"profile 'lab' ({files.config}): ")
    assert "\n" not in str(error)
    assert len(str(error)) < 400
    with pytest.raises(kind, match=why):
        raise error


async def test_no_secret_is_in_its_last_words(files):
    error = await refused(
        files, f"{printing()}; {printing()} >&2; echo 'AKIA0123456789ABCDEF {'x' * 40}' >&2; exit 1"
    )
    assert str(error).count("***") == 2
    assert not any(secret in str(error) for secret in ("s3cret", "AKIA", "xxx"))


async def test_one_that_cannot_be_run_is_a_setting(files):
    files.write("[profile lab]\ncredential_process = @HERE@/nobody --password hunter2\n")
    with pytest.raises(UsageError, match=r"/nobody: No such file or directory; install it") as caught:
        await login().has_credentials(is_local=False)
    assert "hunter2" not in str(caught.value)
    files.write("[profile lab]\ncredential_process = sh -c 'never closed\n")
    with pytest.raises(UsageError, match="No closing quotation"):
        await login().has_credentials(is_local=False)


@pytest.mark.parametrize("trap", ["", "trap '' TERM; "])
async def test_one_that_hangs_is_ended_with_all_that_it_started(files, pass_by, trap):
    pid, errors = files.folder / "pid", []

    async def look() -> None:
        errors.append(await refused(files, f"{trap}sleep 1000 & echo $! > {pid}; sleep 1000"))

    async with anyio.create_task_group() as group:
        group.start_soon(look)
        await anyio.to_thread.run_sync(until, lambda: pid.exists() and pid.read_text())
        pass_by(round(LoginTimes().machine))
    (error,) = errors
    assert type(error) is ServiceUnusableError
    assert "its credential_process (helper) did not end within 15 s" in str(error)
    child = int(pid.read_text())
    until(lambda: not is_alive(child))


async def test_where_it_takes_long_it_is_told_whose_it_is(files, monkeypatch):
    """Where there are lanes, each may have another profile's."""
    monkeypatch.setattr(helper, "_WORTH_LOGGING", 0.0)
    ready = files.folder / "ready"
    files.helper(f"until test -e {ready}; do sleep 0.01; done; {printing()}")
    with capture_logs() as logs:
        async with anyio.create_task_group() as group:
            group.start_soon(keys, login())
            while not logs:
                await anyio.lowlevel.checkpoint()
            ready.touch()
    assert (logs[0]["event"], logs[0]["login"]) == ("waiting_for_helper", f"profile 'lab' ({files.config})")


async def test_what_it_leaves_behind_is_ended_too(files):
    files.helper(f"sleep 1000 & echo $! > {files.folder}/pid; {printing()}")
    await keys(login())  # it would be given up, were that waited for
    child = int((files.folder / "pid").read_text())
    until(lambda: not is_alive(child))


async def test_it_is_ended_when_nobody_wants_its_answer_any_more(files):
    files.helper(f"echo $$ > {files.folder}/pid; exec sleep 1000")
    pid = files.folder / "pid"
    async with anyio.create_task_group() as group:
        group.start_soon(partial(login().has_credentials, is_local=False))
        while not (pid.exists() and pid.read_text()):  # noqa: ASYNC110 (another process writes it)
            await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    until(lambda: not is_alive(int(pid.read_text())))
