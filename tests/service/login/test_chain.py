"""Whose credentials are taken: real files, real variables, and machine roles that a server plays."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha1

import pytest
from aiohttp import web

from batchrun.errors import ServiceUnusableError, UsageError
from batchrun.service.login import Login
from batchrun.service.target import Target
from tests.notify.samples import serving
from tests.service.login.files import printing

pytestmark = [pytest.mark.real_time, pytest.mark.usefixtures("files")]
ROLE = "arn:aws:iam::123456789012:role/launcher"
_ASSUMED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<Credentials><AccessKeyId>ASSUMED</AccessKeyId><SecretAccessKey>x</SecretAccessKey><SessionToken>y</SessionToken>
<Expiration>{}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""
_REFUSED = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>AccessDenied</Code><Message>not authorized to perform:
 sts:AssumeRole</Message></Error></ErrorResponse>"""


def later(hours: float = 1) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Machine:
    """A machine with a role: the metadata service of EC2 and the one of containers."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self, request: web.Request) -> web.Response:
        self.asked += 1
        if request.path.endswith("/api/token"):
            return web.Response(text="t")
        if request.path.endswith("/security-credentials/"):
            return web.Response(text="machine-role")
        keys = {"AccessKeyId": "MACHINE", "SecretAccessKey": "x", "Token": "y", "Expiration": later()}
        return web.json_response({"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": later(-1), **keys})


class Sts:
    """Lets anybody assume a role, or nobody."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.refuses = refuses
        self.asked: list[str] = []

    async def __call__(self, request: web.Request) -> web.Response:
        self.asked.append((await request.read()).decode())
        if self.refuses:
            return web.Response(status=403, text=_REFUSED, content_type="text/xml")
        return web.Response(text=_ASSUMED.format(later()), content_type="text/xml")


@asynccontextmanager
async def on_ec2(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Machine]:
    machine = Machine()
    async with serving(machine) as url:
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "false")
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)
        yield machine


async def taken(target: Target | None = None, *, is_local: bool = False) -> str:
    """Say whose key is signed with."""
    login = Login(target or Target())
    if not await login.has_credentials(is_local=is_local):
        return "nobody's"
    return str((await (await login.session.get_credentials()).get_frozen_credentials()).access_key)


async def test_who_names_no_profile_has_the_machines_role(files, monkeypatch):
    files.write("[default]\nregion = us-east-1\n")
    async with on_ec2(monkeypatch):
        assert await taken() == "MACHINE"


async def test_who_names_no_profile_has_the_containers_role(monkeypatch):
    async with serving(Machine()) as url:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{url}/keys")
        assert await taken() == "MACHINE"


@pytest.mark.parametrize("by", ["option", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
async def test_a_named_profile_without_credentials_never_has_the_machines(files, monkeypatch, by):
    files.write("[profile lab]\nregion = us-east-1\n")
    async with on_ec2(monkeypatch) as machine:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/keys")
        monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(files.config))
        if by != "option":
            monkeypatch.setenv(by, "lab")
        with pytest.raises(UsageError, match=r"profile 'lab' \(.*config\) has no credentials; add them"):
            await taken(Target(profile="lab") if by == "option" else None)
    assert machine.asked == 0


async def test_nobody_waits_for_a_machines_role_before_talking_to_a_simulator(monkeypatch):
    async with on_ec2(monkeypatch) as machine:
        assert await taken(is_local=True) == "nobody's"
        assert machine.asked == 0
        login = Login(Target())
        assert not await login.has_credentials(is_local=True)
        assert await login.has_credentials(is_local=False)  # another client of it may need them


async def test_a_profile_wins_over_variables_where_an_option_names_it(files, monkeypatch):
    files.write("[profile lab]\naws_access_key_id = LAB\naws_secret_access_key = x\n")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "VARIABLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    assert await taken(Target(profile="lab")) == "LAB"
    monkeypatch.setenv("AWS_PROFILE", "lab")
    assert await taken() == "VARIABLE"


async def test_the_profiles_own_keys_win_over_a_web_identity_of_the_environment(files, monkeypatch):
    files.write("[profile lab]\naws_access_key_id = LAB\naws_secret_access_key = x\n")
    monkeypatch.setenv("AWS_PROFILE", "lab")
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(files.config))
    assert await taken() == "LAB"


async def test_a_role_is_assumed_from_a_source_profiles_helper(files, monkeypatch):
    files.helper(printing(), profile="base")
    role = f"[profile lab]\nrole_arn = {ROLE}\nsource_profile = base\nregion = us-east-1\n"
    files.write(files.config.read_text() + role)
    async with serving(Sts()) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        assert await taken(Target(profile="lab")) == "ASSUMED"
    async with serving(Sts(refuses=True)) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        refusal = r"AssumeRole was refused \(AccessDenied: not authorized to perform: sts:AssumeRole\)"
        with pytest.raises(
            ServiceUnusableError, match=f"profile 'lab' with source_profile 'base' .*{refusal}"
        ):
            await taken(Target(profile="lab"))


async def test_a_role_that_the_aws_cli_assumed_with_a_code_counts(files):
    device = "arn:aws:iam::123456789012:mfa/me"
    keys = "[base]\naws_access_key_id = BASE\naws_secret_access_key = x\n"
    files.write(f"[profile lab]\nrole_arn = {ROLE}\nsource_profile = base\nmfa_serial = {device}\n", keys)
    with pytest.raises(
        ServiceUnusableError, match=f"MFA code is wanted for {device}, and there is no terminal"
    ):
        await taken(Target(profile="lab"))
    kept = files.folder / ".aws" / "cli" / "cache"
    kept.mkdir(parents=True)
    asked = json.dumps({"RoleArn": ROLE, "SerialNumber": device}, sort_keys=True)
    name = f"{sha1(asked.encode(), usedforsecurity=False).hexdigest()}.json"
    keys_kept = {"AccessKeyId": "KEPT", "SecretAccessKey": "x", "SessionToken": "y", "Expiration": later()}
    (kept / name).write_text(json.dumps({"Credentials": keys_kept}))
    assert await taken(Target(profile="lab")) == "KEPT"
    assert [path.name for path in kept.iterdir()] == [name]


async def test_a_machine_without_a_home_assumes_roles_all_the_same(files, monkeypatch):
    """As in a container with any user's number, whom /etc/passwd does not have."""

    def nobody(_number: int) -> None:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", nobody)
    keys = "[profile base]\naws_access_key_id = BASE\naws_secret_access_key = x\n"
    files.write(f"{keys}[profile lab]\nrole_arn = {ROLE}\nsource_profile = base\nregion = us-east-1\n")
    async with serving(Sts()) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        assert await taken(Target(profile="lab")) == "ASSUMED"


async def test_half_a_key_pair_is_never_made_up_for_by_another(files, monkeypatch):
    async with on_ec2(monkeypatch) as machine:
        files.write("[default]\naws_secret_access_key = x\n")
        with pytest.raises(UsageError, match=r"profile 'default' \(.*config\): aws_access_key_id is missing"):
            await taken()
        files.write("", "[default]\naws_access_key_id = x\n")
        with pytest.raises(
            UsageError, match=r"profile 'default' \(.*credentials\): aws_secret_access_key is"
        ):
            await taken()
        for one, other in (
            ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
            ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
        ):
            with monkeypatch.context() as variables:
                variables.setenv(one, "x")
                with pytest.raises(
                    UsageError, match=rf"the environment \(AWS_ACCESS_KEY_ID\): {other} is missing"
                ):
                    await taken()
    assert machine.asked == 0


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"])
async def test_a_key_that_breaks_a_header_is_told_before_a_call(monkeypatch, name):
    for each in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", name):
        monkeypatch.setenv(each, "x\ny" if each == name else "x")
    with pytest.raises(UsageError, match=r"the environment .* has a character that no key has"):
        await taken()
