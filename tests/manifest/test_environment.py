"""``{env.NAME}``: what may be filled in, where, and what never is."""

from __future__ import annotations

import json

import pytest

from batchrun.manifest.placeholders import Environment, PlaceholderError
from batchrun.manifest.problems import Problems
from batchrun.manifest.sheet_wishes import SheetOptions
from tests.manifest.conftest import SETS

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
CREDENTIALS = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_BEARER_TOKEN_BEDROCK",
    "GITHUB_TOKEN",
    "token",
    "PGPASSWORD",
    "DB_PASSWORD_FILE",
    "MYSQL_PWD",
    "SSHPASS",
    "OPENAI_API_KEY",
    "DEPLOY_KEY",
    "ApiKey",
    "CLIENT_SECRET_ID",
    "NPM_CONFIG__AUTH",
    "GH_PAT",
]
HARMLESS = [
    "RUN_DATE",
    "USER",
    "PWD",
    "PATH",
    "AWS_REGION",
    "AWS_PROFILE",
    "KEYED",
    "TOKENIZER",
    "AUTHOR",
    "_x1",
    "N",
]


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUN_DATE", "2026-11-26")
    monkeypatch.setenv("BRACES", "a{id}{{b}}")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("COPIED", f"x{SECRET}")
    monkeypatch.setenv("PROXY", "http://me:pw@proxy:8080")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("UNSET", raising=False)


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_allowed_is_given(name: str):
    problems = Problems()
    assert Environment((name,), {name: "v"}, problems).value(name) == "v"
    assert problems.total == 0


@pytest.mark.parametrize("name", CREDENTIALS)
def test_a_credentials_name_is_refused_even_if_it_is_allowed(name: str):
    problems = Problems()
    environment = Environment((name,), {name: SECRET}, problems)
    assert [problem.message for problem in problems.told()] == [
        f"{name} is a credential's, which no run is given"
    ]
    with pytest.raises(PlaceholderError) as caught:
        environment.value(name)
    assert SECRET not in caught.value.message + caught.value.cure


def places(text: str) -> dict[str, str]:
    """Write a manifest with a text in its defaults, and in a row."""
    return {
        "defaults": json.dumps({"defaults": {"tags": {"t": text}}, "runs": [{"id": "A"}, {"id": "B"}]}),
        "row": json.dumps({"runs": [{"id": "A", "tags": {"t": text}}]}),
    }


@pytest.mark.parametrize("where", ["defaults", "row"])
@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{env.RUN_DATE}", "2026-11-26"),
        ("r-{env.RUN_DATE}-{id}", "r-2026-11-26-A"),
        ("{env.BRACES}", "a{id}{{b}}"),
        ("{{env.RUN_DATE}}", "{env.RUN_DATE}"),
        ("${{env.UNSET}}", "${env.UNSET}"),
    ],
)
def test_a_variable_is_filled_in_once(load_text, where: str, text: str, filled: str):
    spec, *_ = load_text(places(text)[where], ".json", env=("RUN_DATE", "BRACES"))
    assert json.loads(spec.request)["tags"] == {"t": filled}


@pytest.mark.parametrize("where", ["defaults", "row"])
@pytest.mark.parametrize(
    ("name", "said", "cure"),
    [
        ("OTHER", "{env.OTHER} is not allowed", "give --env OTHER"),
        ("UNSET", "the variable UNSET of the environment is not set", "set it, or leave {env.UNSET} out"),
        ("EMPTY", "the variable EMPTY of the environment is empty", "set it"),
        ("COPIED", "the value of the variable COPIED has a credential in it", "Secrets Manager"),
        ("PROXY", "the value of the variable PROXY has a credential in it", "Secrets Manager"),
        ("AWS_SECRET_ACCESS_KEY", "{env.AWS_SECRET_ACCESS_KEY} is a credential's", "Secrets Manager"),
    ],
)
def test_what_cannot_be_filled_in_is_told_once_without_its_value(problems_of, where, name, said, cure):
    env = ("RUN_DATE", "UNSET", "EMPTY", "COPIED", "PROXY")
    (problem,) = problems_of(places(f"{{env.{name}}}")[where], ".json", env=env)
    assert problem.message.startswith(said)
    assert cure in problem.cure
    assert problem.field == "tags.t"
    assert SECRET not in str(problem)
    assert "pw@" not in str(problem)


@pytest.mark.parametrize("held", ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"])
def test_a_copy_of_what_the_machine_holds_is_a_credential(held: str):
    variables = {held: SECRET, "COPY": f"<{SECRET}>", "OTHER": "x"}
    environment = Environment(("COPY", "OTHER"), variables, Problems())
    assert environment.value("OTHER") == "x"
    with pytest.raises(PlaceholderError, match="has a credential in it"):
        environment.value("COPY")


@pytest.mark.parametrize(
    ("value", "is_given"),
    [
        ("redis://:pw@cache:6379", False),
        ("s3+https://me:pw@host", False),
        ("see x://a:b@c", False),
        ("https://me@host/", True),
        ("https://host:8080/a@b", True),
        ("https://host: me@lab", True),
    ],
)
def test_a_password_before_a_host_is_a_credential(value: str, is_given: bool):  # noqa: FBT001
    environment = Environment(("V",), {"V": value}, Problems())
    if is_given:
        assert environment.value("V") == value
    else:
        with pytest.raises(PlaceholderError, match="has a credential in it"):
            environment.value("V")


@pytest.mark.parametrize("name", ["A=b", "", "a-b", "{env.X}"])
def test_what_is_no_name_is_refused(problems_of, name: str):
    (problem,) = problems_of('{"id": "A"}', ".jsonl", env=(name,))
    assert (problem.source, problem.cure) == ("--env", "write the name alone: --env RUN_DATE")


def test_another_value_is_another_request_and_another_work(load_text, monkeypatch):
    text = '{"id": "A", "parameters": {"date": "{env.RUN_DATE}-{batch}"}}'
    (first,) = load_text(text, ".jsonl", env=("RUN_DATE",))
    (same,) = load_text(text, ".jsonl", env=("RUN_DATE",))
    monkeypatch.setenv("RUN_DATE", "2026-11-27")
    (other,) = load_text(text, ".jsonl", env=("RUN_DATE",))
    assert first == same
    assert first.request != other.request
    assert first.work != other.work


def test_set_and_names_of_what_a_parameter_holds(load_text, problems_of):
    row = '{"id": "A", "parameters": {"a": "{env.RUN_DATE}", "b": "x{parameters.a}"}}'
    (problem,) = problems_of(row, ".jsonl", env=("RUN_DATE",))
    assert "holds a placeholder itself" in problem.message
    (spec,) = load_text('{"id": "A"}', ".jsonl", sets=(*SETS, "tags.t={env.RUN_DATE}"), env=("RUN_DATE",))
    assert json.loads(spec.request)["tags"] == {"t": "2026-11-26"}


def test_the_texts_of_a_sheet_may_name_it_and_its_cells_are_never_taken_for_it(load_text):
    sheet = SheetOptions(
        id="sample", each={"parameters": {"date": "{env.RUN_DATE}-{sample}", "note": "{note}"}}
    )
    (spec,) = load_text("sample,note\nA,{env.RUN_DATE}\n", ".csv", sheet=sheet, env=("RUN_DATE",))
    assert json.loads(spec.request)["parameters"] == {"date": "2026-11-26-A", "note": "{env.RUN_DATE}"}


def test_a_column_of_that_name_goes_before(load_text):
    sheet = SheetOptions(id="sample", each={"parameters": {"date": "{env.RUN_DATE}"}})
    (spec,) = load_text("sample,env.RUN_DATE\nA,mine\n", ".csv", sheet=sheet, env=("RUN_DATE",))
    assert json.loads(spec.request)["parameters"] == {"date": "mine"}


def test_the_place_of_a_runs_own_sheet_may_name_it(load_text, problems_of):
    text, uri = "sample\nA\n", "s3://lab/{env.RUN_DATE}/{id}.csv"
    sheet = SheetOptions(id="sample", sheet_out=uri, each={"parameters": {"input": "{sheet}"}})
    (spec,) = load_text(text, ".csv", sheet=sheet, env=("RUN_DATE",))
    assert json.loads(spec.request)["parameters"]["input"].startswith("s3://lab/2026-11-26/A-")
    (problem,) = problems_of(text, ".csv", sheet=sheet)
    assert (problem.field, problem.message[:14]) == ("sheet_out", "{env.RUN_DATE}")


def test_an_id_is_made_of_columns_alone(problems_of):
    sheet = SheetOptions(id="{sample}-{env.RUN_DATE}")
    (problem,) = problems_of("sample\nA\n", ".csv", sheet=sheet, env=("RUN_DATE",))
    assert problem.field == "id"
