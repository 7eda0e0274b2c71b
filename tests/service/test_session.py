"""Where the client comes from: profile, region, endpoint, credentials."""

from __future__ import annotations

import anyio
import pytest

from batchrun.errors import ServiceUnusableError, UsageError
from batchrun.service.login import Login
from batchrun.service.session import (
    logs_client,
    omics_client,
    prices_client,
    quotas_client,
    s3_client,
    topics_client,
)
from batchrun.service.target import Target
from tests.world import connected, start


async def test_no_region_is_a_usage_error(monkeypatch):
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with pytest.raises(UsageError, match="AWS_REGION"):
        async with omics_client(Login(Target())):
            pass


async def test_a_profile_that_does_not_exist_is_a_usage_error():
    with pytest.raises(UsageError, match="no-such-profile"):
        async with omics_client(Login(Target(profile="no-such-profile"))):
            pass


async def test_no_credentials_stop_before_anything_is_sent(monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ServiceUnusableError, match="no AWS credentials found"):
        async with omics_client(Login(Target())):
            pass


async def test_a_loopback_endpoint_needs_neither_region_nor_credentials(monkeypatch):
    for name in ("AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    async with connected() as (service, _):
        assert service.region == "us-east-1"
        assert (await start(service)).id


async def test_the_endpoint_may_come_from_the_environment(monkeypatch):
    async with connected() as (_, simulator):
        monkeypatch.setenv("AWS_ENDPOINT_URL_OMICS", simulator.url)
        async with omics_client(Login(Target())) as client:
            assert client.meta.endpoint_url == simulator.url
            assert (await client.list_runs())["items"] == []


@pytest.mark.long
@pytest.mark.parametrize(
    ("settings", "environment", "said"),
    [
        ("endpoint_url = 127.0.0.1:8765", {}, "profile 'lab' ({file}): '127.0.0.1:8765' is not an endpoint"),
        ("endpoint_url = ftp://here", {}, "profile 'lab' ({file}): 'ftp://here' is not an endpoint"),
        (
            "services = own\n[services own]\nomics =\n  endpoint_url = localhost:8765",
            {},
            "profile 'lab' ({file}): 'localhost:8765' is not an endpoint",
        ),
        ("", {"AWS_ENDPOINT_URL": "lab:80"}, "AWS_ENDPOINT_URL: 'lab:80' is not an endpoint"),
        ("region = us east 1", {}, "profile 'lab' ({file}): 'us east 1' is not a region"),
        ("", {"AWS_DEFAULT_REGION": "US-EAST-1"}, "AWS_DEFAULT_REGION: 'US-EAST-1' is not a region"),
        ("", {"AWS_REGION": "us-east-1\n"}, r"AWS_REGION: 'us-east-1\n' is not a region"),
    ],
)
async def test_what_cannot_be_called_is_told_with_who_says_it(
    monkeypatch, tmp_path, settings, environment, said
):
    file = tmp_path / "config"
    file.write_text(f"[profile lab]\n{settings}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    if "region" in settings or "AWS_DEFAULT_REGION" in environment:
        monkeypatch.delenv("AWS_REGION")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as refused:
        async with omics_client(Login(Target(profile="lab"))):
            pass
    assert str(refused.value).startswith(said.format(file=file))


@pytest.mark.parametrize(("is_lane", "said"), [(False, "--region"), (True, "the lane's region")])
async def test_a_region_that_was_given_is_told_with_what_gave_it(is_lane, said):
    with pytest.raises(UsageError, match=f"{said}: 'us_east_1' is not a region"):
        async with omics_client(Login(Target(region="us_east_1", is_lane=is_lane))):
            pass


async def test_the_users_retry_mode_does_not_bring_in_a_second_pace(monkeypatch):
    monkeypatch.setenv("AWS_RETRY_MODE", "adaptive")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "7")
    async with omics_client(Login(Target())) as client:
        retries = client.meta.config.retries  # type: ignore[attr-defined]
        assert (retries["mode"], retries["total_max_attempts"]) == ("standard", 1)


async def test_the_real_service_keeps_its_host_prefix():
    async with omics_client(Login(Target())) as client:
        assert client.meta.endpoint_url == "https://omics.us-east-1.amazonaws.com"
        assert client.meta.config.inject_host_prefix is not False


@pytest.mark.parametrize("host", ["192.0.2.1", "[2001:db8::1]", "127.0.0.1"])
async def test_before_an_address_no_name_is_put(host):
    """Seen: a simulator on another machine was not found, as 'workflows-192.0.2.1'."""
    async with omics_client(Login(Target(endpoint_url=f"http://{host}:8765"))) as client:
        assert client.meta.config.inject_host_prefix is False


@pytest.mark.parametrize("url", ["nonsense", "ftp//x", "http://[::1"])
async def test_an_endpoint_that_is_no_url_is_a_usage_error(url):
    with pytest.raises(UsageError):
        async with omics_client(Login(Target(endpoint_url=url))):
            pass


#: A HealthOmics that stands for S3 and CloudWatch too, unless these have places of their own.
LOCAL = "http://127.0.0.1:7"
#: Each kind of client, its name in a ``services`` section, and the region that it is signed for.
KINDS = {
    "omics": (omics_client, "eu-west-1"),
    "s3": (lambda login: s3_client(login, beside=LOCAL), "eu-west-1"),
    "cloudwatch_logs": (lambda login: logs_client(login, region="eu-west-1", beside=LOCAL), "eu-west-1"),
    "service_quotas": (lambda login: quotas_client(login, patience=3), "eu-west-1"),
    "pricing": (prices_client, "us-east-1"),
    "sns": (lambda login: topics_client(login, region="us-west-2"), "us-west-2"),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_each_kind_is_where_the_profiles_services_say_with_its_credentials(kind, monkeypatch, tmp_path):
    make, region = KINDS[kind]
    (tmp_path / "config").write_text(
        f"[profile lab]\nregion = eu-west-1\nservices = here\naws_access_key_id = LAB\n"
        f"aws_secret_access_key = x\n[services here]\n{kind} =\n    endpoint_url = http://127.0.0.1:8/{kind}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.delenv("AWS_REGION")
    login = Login(Target(profile="lab"))
    async with make(login) as client:
        assert client.meta.endpoint_url == f"http://127.0.0.1:8/{kind}"
        assert client.meta.region_name == region
    credentials = await login.session.get_credentials()
    assert (await credentials.get_frozen_credentials()).access_key == "LAB"


async def test_clients_that_are_made_at_once_log_in_once(monkeypatch, tmp_path):
    (tmp_path / "helper").write_text(
        f"echo run >> {tmp_path}/runs\n"
        """echo '{"Version": 1, "AccessKeyId": "x", "SecretAccessKey": "y"}'\n"""
    )
    (tmp_path / "config").write_text(f"[profile lab]\ncredential_process = sh {tmp_path}/helper\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    login = Login(Target(profile="lab"))

    async def make(kind: str) -> None:
        async with KINDS[kind][0](login):
            pass

    async with anyio.create_task_group() as group:
        for kind in [*KINDS] * 4:
            group.start_soon(make, kind)
    assert (tmp_path / "runs").read_text() == "run\n"


async def test_a_certificate_that_is_damaged_is_told_as_that(tmp_path, monkeypatch):
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    with pytest.raises(
        UsageError, match=r"bundle.pem cannot be read \(damaged, or no certificates\); see AWS_CA"
    ):
        async with omics_client(Login(Target())):
            pass


@pytest.mark.parametrize(
    ("bundle", "why"),
    [
        ("/no/such/bundle.pem", "no such file or directory"),
        ("/", "is a directory"),
        ("/dev/null", "no certificate or crl found"),
    ],
)
async def test_certificates_that_are_not_there_are_missed_at_once(bundle, why, monkeypatch):
    monkeypatch.setenv("AWS_CA_BUNDLE", bundle)
    with pytest.raises(UsageError, match=rf"(?i)certificates in {bundle} cannot be read \({why}\)"):
        async with omics_client(Login(Target())):
            pass


@pytest.mark.parametrize(
    ("proxy", "shown"),
    [
        ("http://", r" \('http://'\)"),
        ("http://127.0.0.1:99999", r" \('http://127.0.0.1:99999'\)"),
        ("proxy:port", r" \('http://proxy:port'\)"),
        ("socks5://127.0.0.1:1080", r" \('http://socks5://127.0.0.1:1080'\)"),
        ("http://me:se#cret@proxy:80", ""),
    ],
)
async def test_what_is_no_proxys_address_is_told_at_once(proxy, shown, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    told = rf"^HTTPS_PROXY is no proxy's address{shown}; give http://HOST:PORT, or unset it$"
    with pytest.raises(UsageError, match=told):
        async with omics_client(Login(Target(region="us-east-1"))):
            pass
    monkeypatch.setenv("NO_PROXY", ".amazonaws.com")
    async with omics_client(Login(Target(region="us-east-1"))):
        pass


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            b"[default]\nregion = x\nregion = y\n",
            r"line 3 has 'region' a second time in \[default\]; correct",
        ),
        (b"[profile a]\n\n[profile a]\n", r"line 3 has \[profile a\] a second time; correct it"),
        (b"\xef\xbb\xbf[default]\nregion = x\n", "line 1 is in no section.* a byte order mark; correct it"),
        (b"[default]\nAKIATESTTEST\n", "line 2 is neither a section nor a setting; correct it"),
        (b"[default]\nregion = \xff\n", "it is no text in UTF-8; correct it"),
        (b"[default]\ns3 =\n  odd\n", "config: an indented line is no setting, .*; correct it"),
    ],
)
async def test_a_settings_file_that_cannot_be_read_says_where_and_shows_no_line(
    content, told, monkeypatch, tmp_path
):
    (tmp_path / "config").write_bytes(content)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with pytest.raises(UsageError, match=told) as raised:
        async with omics_client(Login(Target())):
            pass
    assert str(tmp_path / "config") in str(raised.value)
    assert "AKIA" not in str(raised.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("profile", ["nobody", "half"])
async def test_each_kind_says_what_is_wrong_with_a_profile(kind, profile, monkeypatch, tmp_path):
    (tmp_path / "config").write_text("[profile half]\naws_access_key_id = LAB\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with pytest.raises(UsageError, match=f"profile '{profile}'.*config"):
        async with KINDS[kind][0](Login(Target(profile=profile))):
            pass


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_DEFAULTS_MODE", "fast"),
        ("AWS_REQUEST_CHECKSUM_CALCULATION", "never"),
        ("AWS_STS_REGIONAL_ENDPOINTS", "both"),
        ("AWS_ACCOUNT_ID_ENDPOINT_MODE", "maybe"),
    ],
)
async def test_a_variable_that_no_client_can_be_made_with_is_named(name, value, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=rf"^{name}: .*\b{value}\b.*; correct it, or unset it$"):
        async with omics_client(Login(Target())):
            pass


async def test_a_variable_that_is_right_is_not_blamed_for_a_profiles_setting(monkeypatch, tmp_path):
    (tmp_path / "config").write_text("[default]\ndefaults_mode = x\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_RETRY_MODE", "standard")
    with pytest.raises(UsageError, match=r"^profile 'default' .*defaults mode: x.*standard"):
        async with omics_client(Login(Target())):
            pass


@pytest.mark.parametrize(
    "setting",
    [
        "defaults_mode = x",
        "s3 =\n  addressing_style = x",
        "services = x",
    ],
)
async def test_a_setting_that_no_client_can_be_made_with_is_told(setting, monkeypatch, tmp_path):
    (tmp_path / "config").write_text(
        f"[profile lab]\naws_access_key_id=L\naws_secret_access_key=x\n{setting}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with pytest.raises(UsageError, match="lab"):
        async with s3_client(Login(Target(profile="lab"))):
            pass
