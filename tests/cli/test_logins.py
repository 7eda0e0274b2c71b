"""
Logins that do not work, as real users have them: real files, no --endpoint-url.

Each ends in at most four lines that say what to do, with the exit code of who must act, and never with a
traceback.
"""

from __future__ import annotations

import csv
import json
import time

import boto3
import pytest

from tests.cli.conftest import Shell, Simulated, assert_agreement, end


def printed(**changes: object) -> str:
    """Return what a helper prints."""
    return json.dumps({"Version": 1, "AccessKeyId": "x", "SecretAccessKey": "y", **changes})


ROLE = "role_arn = arn:aws:iam::123456789012:role/launcher\n"
SSO = "sso_start_url = https://lab.awsapps.com/start\nsso_region = us-east-1\nsso_account_id = 123456789012\n"
#: What a profile says, the exit code, and what is said.
BROKEN = {
    "the helper fails": (
        "credential_process = sh -c 'echo vpn is down >&2; exit 1'\n",
        5,
        "credential_process (sh) ended with exit code 1: vpn is down",
    ),
    "the helper is not installed": (
        "credential_process = /no/such/helper\n",
        2,
        "cannot be run: /no/such/helper: No such file or directory; install it",
    ),
    "the helper is not found by its shell": ("credential_process = sh -c nobody\n", 2, "exit code 127"),
    "the helper prints rubbish": ("credential_process = echo hello\n", 2, "that is not JSON"),
    "the helper prints nothing": ("credential_process = true\n", 5, "printed nothing"),
    "the helper lacks a key": (
        f"credential_process = echo '{printed(SecretAccessKey=None)}'\n",
        2,
        "SecretAccessKey is not there",
    ),
    "the helper hangs": ("credential_process = sleep 1000\n", 5, "did not end within 15 s"),
    "what the helper gives has expired": (
        f"credential_process = echo '{printed(Expiration='2020-01-01T00:00:00Z')}'\n",
        5,
        "the credentials have expired",
    ),
    "half a key pair": ("aws_access_key_id = x\n", 2, "aws_secret_access_key is missing; add it"),
    "the other half": ("aws_secret_access_key = x\n", 2, "aws_access_key_id is missing; add it"),
    "half an SSO profile": (SSO, 2, "missing required configuration: sso_role_name"),
    "no such sso-session": (
        "sso_session = x\nsso_account_id = 123456789012\nsso_role_name = x\n",
        2,
        '"x" sso_session configuration does not exist',
    ),
    "logged out of SSO": (f"{SSO}sso_role_name = x\n", 5, "log in again with 'aws sso login --profile lab'"),
    "no such source_profile": (f"{ROLE}source_profile = nobody\n", 2, '"nobody" referenced in the profile'),
    "no source at all": (ROLE, 2, "source_profile or credential_source is missing"),
    "its own source_profile": (f"{ROLE}source_profile = lab\n", 2, "Infinite loop"),
    "no such credential_source": (
        f"{ROLE}credential_source = x\n",
        2,
        '"x" referenced in profile "lab" is not',
    ),
    "a token file that is not there": (
        f"{ROLE}web_identity_token_file = /no/token\n",
        5,
        ": /no/token: No such file",
    ),
    "a code that nobody can give": (
        f"{ROLE}source_profile = keys\nmfa_serial = arn:aws:iam::123456789012:mfa/me\n",
        5,
        "there is no terminal to ask on; log in with 'aws sts get-caller-identity --profile lab'",
    ),
    "no number": (
        "metadata_service_timeout = soon\n",
        2,
        "metadata_service_timeout is 'soon', which is no whole number; correct it",
    ),
    "nothing is indented below a service": (
        "services = own\n[services own]\nomics =\nendpoint_url = http://127.0.0.1:1\n",
        2,
        "[services own] has 'omics' with no settings of its own; indent those that are meant",
    ),
    "nothing is indented below s3": (
        "s3 =\naddressing_style = path\n",
        2,
        "[profile lab] has 's3' with no settings of its own; indent",
    ),
    "a profile without credentials": ("region = us-east-1\n", 2, "has no credentials; add them"),
}
KEYS = "[profile keys]\naws_access_key_id = x\naws_secret_access_key = y\n"


@pytest.fixture(autouse=True)
def as_users_have_it(shell: Shell):
    """Take away the keys that other tests have, and make a home."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del shell.environment[name]
    shell.environment |= {
        "HOME": str(shell.folder),
        "AWS_CONFIG_FILE": str(shell.folder / "config"),
        "AWS_PROFILE": "lab",
    }


def configure(shell: Shell, profile: str) -> None:
    shell.write("config", f"[profile lab]\n{profile}{KEYS}")


@pytest.mark.long
@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_login_is_told_in_a_line_at_the_start(shell: Shell, broken):
    profile, code, words = BROKEN[broken]
    configure(shell, profile)
    begun = time.monotonic()
    shell.run("help", "iam")
    busy = time.monotonic() - begun  # the machine may be slow to start anything
    # A helper that hangs is waited for, in the login's own time; the others are as quick as the machine.
    done = shell.hastened(10 if "hangs" in broken else 1, "run", *shell.cohort(2))
    assert time.monotonic() - begun < 20 + 5 * busy
    assert (done.returncode, done.stdout) == (code, "")
    said = done.stderr.splitlines()
    assert len(said) <= 4
    assert "Traceback" not in done.stderr
    assert said[-1].startswith("batchrun: profile 'lab'")
    assert str(shell.folder / "config") in said[-1]
    assert words in said[-1]
    assert len(said[-1]) < 4 * 110
    assert not (shell.folder / "batchrun.db").exists()


@pytest.mark.parametrize("verb", ["run", "config"])
@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("[profile lab", "line 1 is in no section"),
        ("[profile lab]\n\tregion", "line 2 is neither a section nor a setting"),
        ("[services a]\nomics =\n  endpoint_url x\n", "an indented line is no setting"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(shell: Shell, file, why, verb):
    path = shell.write("config", file)
    done = shell.run(verb, *(shell.cohort(2) if verb == "run" else ()))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"{path}: {why}" in done.stderr


def test_a_profile_that_is_not_there_is_named_with_the_files(shell: Shell):
    configure(shell, "")
    for done in (
        shell.run("run", *shell.cohort(2), AWS_PROFILE="nobody"),
        shell.run("run", *shell.cohort(2), "--profile", "nobody"),
        shell.run("config", AWS_PROFILE="nobody"),
    ):
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert f"there is no AWS profile 'nobody' in {shell.folder}/config and " in done.stderr
    shell.write("config", "[nobody]\nregion = us-east-1\n")
    done = shell.run("run", *shell.cohort(2), "--profile", "nobody")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.endswith(", but [nobody]; write [profile nobody] there\n")


@pytest.mark.parametrize("verb", ["run", "config"])
def test_a_home_that_nobody_has_is_no_defect(shell: Shell, verb):
    shell.environment |= {"AWS_CONFIG_FILE": "~nobody-here/config", "AWS_REGION": "us-east-1"}
    done = shell.run(verb, *(shell.cohort(2) if verb == "run" else ()))
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "lab" in done.stderr


@pytest.mark.parametrize("name", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
def test_an_empty_variable_for_the_profile_is_named(shell: Shell, name):
    del shell.environment["AWS_PROFILE"]
    done = shell.run("run", *shell.cohort(2), **{name: ""})
    assert done.returncode == 2
    assert done.stderr == f"batchrun: {name} is set, and empty; unset it, or name a profile in it\n"


@pytest.mark.parametrize(
    ("name", "value"), [("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "many"), ("AWS_STS_REGIONAL_ENDPOINTS", "all")]
)
def test_a_variable_that_no_login_can_be_made_with_is_named(shell: Shell, name, value):
    configure(shell, f"{ROLE}source_profile = keys\n")
    done = shell.run("run", *shell.cohort(2), **{name: value})
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(f"batchrun: {name}: ")
    assert value in done.stderr
    assert done.stderr.endswith("; correct it, or unset it\n")


@pytest.mark.parametrize("options", [["-q"], ["--log-format", "json"], ["--once", "-q"], ["-v"]])
def test_tracebacks_of_botocore_are_nobodys_business(shell: Shell, options):
    configure(shell, BROKEN["logged out of SSO"][0])
    done = shell.run("run", *shell.cohort(2), *options)
    assert done.returncode == 5
    assert done.stderr.count("\n") == (2 if options == ["-v"] else 1)
    assert "Traceback" not in done.stderr
    assert ("Refreshing temporary credentials failed" in done.stderr) == (options == ["-v"])


@pytest.mark.parametrize(
    "verb",
    [
        ["check", "cohort.csv", "--defaults", "defaults.yaml", "--online"],
        ["manifest", "init", "--workflow", "1234567"],
        ["manifest", "from-s3", "s3://lab/fastq/", "--pattern", "(?P<id>.+)[.]bam"],
        ["ledger", "rebuild", "cohort.csv", "--defaults", "defaults.yaml"],
    ],
    ids=lambda verb: " ".join(verb[:2]),
)
def test_every_verb_says_the_same(shell: Shell, verb):
    configure(shell, BROKEN["the helper fails"][0])
    shell.cohort(2)
    done = shell.run(*verb)
    assert (done.returncode, done.stdout) == (5, "")
    (said,) = done.stderr.splitlines()
    assert said.startswith("batchrun: profile 'lab'")
    assert "vpn is down" in said


def helped(shell: Shell, simulated: Simulated, script: str, *, services: str = "") -> None:
    """Make a profile whose helper is a shell script, and which says where HealthOmics is."""
    shell.write("helper.sh", f"{script}\n")
    shell.write(
        "config",
        f"[profile lab]\nregion = us-east-1\nservices = lab\n"
        f"credential_process = sh {shell.folder}/helper.sh\n"
        f"[services lab]\nomics =\n    endpoint_url = {simulated.url}\n{services}",
    )


def lasting(seconds: int) -> str:
    """Return a line that prints credentials that last so long."""
    end = f"$(date -u -d '+{seconds} seconds' +%Y-%m-%dT%H:%M:%SZ)"
    return f"echo '{printed(Expiration='@')}' | sed \"s/@/{end}/\"\n"


FAST = ("--poll-interval", "0.3s", "-q")


@pytest.mark.long
def test_a_login_that_breaks_in_the_middle_is_waited_for(shell: Shell, simulate):
    """The helper is gone for a while, as when a tool is upgraded: a setting that cannot work, for now."""
    objects = shell.write("objects", "s3://lab/reference.fa\n")
    simulated = simulate("--time-scale", "0.005", "--objects", str(objects))
    helped(shell, simulated, lasting(2), services=f"s3 =\n    endpoint_url = {simulated.url}\n")
    results = ("--results", "s3://lab/r.csv")
    launch = shell.start("run", *shell.cohort(3), *FAST, "--credentials-wait", "60s", *results)
    simulated.wait_for_runs(3)
    shell.write("helper.sh", "no-such-program\n")
    said = ""
    assert launch.stdout is not None
    while "waiting_for_credentials" not in said:
        said = launch.stdout.readline()
    assert f"profile 'lab' ({shell.folder}/config): its credential_process (sh) ended with exit" in said
    shell.write("helper.sh", lasting(3600))
    assert end(launch) == (0, "")
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "y"}
    s3 = boto3.client("s3", region_name="us-east-1", endpoint_url=simulated.url, **keys)
    written = s3.get_object(Bucket="lab", Key="r.csv")["Body"].read().decode()
    assert_agreement(list(csv.DictReader(written.splitlines())), simulated)


@pytest.mark.long
def test_a_login_that_stays_broken_ends_with_5_whatever_broke_it(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1")
    helped(shell, simulated, lasting(2))
    launch = shell.start("run", *shell.cohort(3), *FAST, "--credentials-wait", "2s")
    simulated.wait_for_runs(3)
    configure(shell, f"region = us-east-1\n{BROKEN['half a key pair'][0]}")
    shell.write("helper.sh", "exit 1")
    code, said = end(launch)
    assert (code, "Traceback" in said) == (5, False)
    assert f"\nbatchrun: profile 'lab' ({shell.folder}/config): aws_secret_access_key is missing" in said
    assert "nothing was submitted" not in said
    assert {row["status"] for row in shell.results()} <= {"PENDING", "STARTING", "RUNNING"}


@pytest.mark.long
def test_one_pass_waits_for_nobody(shell: Shell, simulate):
    simulated = simulate("--time-scale", "1", "--faults", "GetRun:ExpiredTokenException")
    helped(shell, simulated, lasting(3600))
    once = ("run", *shell.cohort(2), "--once", "-q", "--credentials-wait", "5m")
    assert shell.run(*once).returncode == 3
    done = shell.run(*once)  # which may take a minute, and is not asked to wait
    assert done.returncode == 5
    (said,) = done.stderr.splitlines()
    assert "the service does not accept the AWS credentials of profile 'lab'" in said
    assert "(ExpiredTokenException); log in again" in said
