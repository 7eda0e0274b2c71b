"""``retry:``, read and written."""

from __future__ import annotations

import io
import json
import pathlib
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from batchrun.errors import ManifestError
from batchrun.manifest import Format, Source, limits, load
from batchrun.manifest.write import write
from batchrun.manifest.written_rows import WrittenRow
from batchrun.model.entries.retrying import DEFAULT_RULES, RetryPolicy, RetryRule
from batchrun.model.spec import canonical

FIELDS = {
    "workflowId": "1234567",
    "roleArn": "arn:aws:iam::123456789012:role/omics",
    "outputUri": "s3://lab-results/{batch}/{id}/",
}
RUNS = "runs: [{id: a}]\n"


@pytest.fixture
def policy_of(tmp_path: pathlib.Path):
    def read(text: str, suffix: str = ".yaml", **options: Any) -> RetryPolicy:
        path = tmp_path / f"m{suffix}"
        path.write_text(text, encoding="utf-8")
        sets = tuple(f"{name}={value}" for name, value in FIELDS.items())
        with load(Source(path=str(path), sets=sets, **options)) as manifest:
            assert manifest.count == 1
            return manifest.retry

    return read


FULL = """\
retry:
  wait: 5m
  rules:
    - reason: "OUT_OF_MEMORY*"
      message: "*exit code 137*"
      times: 2
      wait: 1h30m
      change:
        storageType: STATIC
        storageCapacity: 4800
        parameters: {mem: 64, id: 007, note: "a {{b}} {1,2}"}
        tags: {try: again}
        cacheBehavior: ~
    - {reason: [SERVICE_ERROR, "IMPORT_*"], times: 0}
"""
CHANGE = canonical(
    {
        "storageType": "STATIC",
        "storageCapacity": 4800,
        "parameters": {"mem": 64, "id": "007", "note": "a {b} {1,2}"},
        "tags": {"try": "again"},
        "cacheBehavior": None,
    }
)
POLICY = RetryPolicy(
    rules=(
        RetryRule(reason="OUT_OF_MEMORY*", message="*exit code 137*", times=2, wait=5400, change=CHANGE),
        RetryRule(reason=("SERVICE_ERROR", "IMPORT_*"), times=0),
        *DEFAULT_RULES,
    ),
    wait=300,
)


@pytest.mark.parametrize("text", [FULL + RUNS, RUNS + FULL, "batch: b\ndefaults: {}\n" + RUNS + FULL])
def test_a_policy_stands_anywhere_in_the_document(policy_of, text):
    assert policy_of(text) == POLICY


def test_as_much_as_is_allowed_is_taken_and_no_more(policy_of):
    def block(rules: int, reasons: int, glob: int, wait: int) -> str:
        first = {"reason": ["X"] * reasons, "message": "m" * glob, "times": 1, "wait": wait}
        others = [{"reason": "Y", "times": 1}] * (rules - 1)
        return json.dumps({"runs": [{"id": "a"}], "retry": [first, *others]})

    most = (limits.RULES, limits.REASONS, limits.GLOB, limits.WAIT)
    policy = policy_of(block(*most), ".json")
    assert len(policy.rules) == limits.RULES + len(DEFAULT_RULES)
    assert policy.rules[0].wait == limits.WAIT
    for at in range(len(most)):
        with pytest.raises(ManifestError):
            policy_of(block(*(count + (at == number) for number, count in enumerate(most))), ".json")


def test_json_says_the_same(policy_of):
    rules = [
        {
            "reason": "OUT_OF_MEMORY*",
            "message": "*exit code 137*",
            "times": 2,
            "wait": 5400,
            "change": json.loads(CHANGE) | {"parameters": {"mem": 64, "id": "007", "note": "a {{b}} {1,2}"}},
        },
        {"reason": ["SERVICE_ERROR", "IMPORT_*"], "times": 0},
    ]
    text = json.dumps({"runs": [{"id": "a"}], "retry": {"wait": "300s", "rules": rules}})
    assert policy_of(text, ".json") == POLICY


@pytest.mark.parametrize(
    ("block", "rules"),
    [
        ("", DEFAULT_RULES),
        ("retry: []", DEFAULT_RULES),
        ("retry: {}", DEFAULT_RULES),
        ("retry: {rules: []}", DEFAULT_RULES),
        ("retry: false", ()),
        ("retry: [{reason: X, times: 1}]", (RetryRule(reason="X", times=1), *DEFAULT_RULES)),
        ("retry: [{reason: X, times: 1, change: {}}]", (RetryRule(reason="X", times=1), *DEFAULT_RULES)),
        ("retry: [{reason: [X], times: 1}]", (RetryRule(reason="X", times=1), *DEFAULT_RULES)),
    ],
)
def test_short_forms(policy_of, block, rules):
    assert policy_of(f"{RUNS}{block}\n") == RetryPolicy(rules=rules)


def test_a_yaml_that_names_a_csv_has_it_and_the_csv_alone_has_not(policy_of, tmp_path):
    (tmp_path / "rows.csv").write_text("id\na\n")
    assert policy_of(FULL + "runs: rows.csv\n") == POLICY
    assert policy_of("id\na\n", ".csv") == RetryPolicy()


def rule(text: str) -> str:
    return f"{RUNS}retry:\n  rules:\n    - {{reason: X, times: 1, {text}}}\n"


def change(text: str) -> str:
    return rule(f"change: {{{text}}}")


BAD = {
    # what is wrong: (text, line, field, part of the message)
    "no policy": (RUNS + "retry: often\n", 2, "retry", "'often' is not a policy"),
    "true": (RUNS + "retry: true\n", 2, "retry", "'true' is not a policy"),
    "nothing": (RUNS + "retry:\n", 2, "retry", "null is not a policy"),
    "unknown key": (RUNS + "retry: {rule: []}\n", 2, "retry.rule", "did you mean rules?"),
    "rules that are none": (RUNS + "retry: {rules: {reason: X}}\n", 2, "retry.rules", "not a list"),
    "a rule that is none": (RUNS + "retry:\n- X=2\n", 3, "retry", "'X=2' is not a rule"),
    "an endless wait": (RUNS + "retry: {wait: 31d}\n", 2, "retry.wait", "too long"),
    "a wait of no length": (RUNS + "retry: {wait: [1]}\n", 2, "retry.wait", "not a duration"),
    "a negative wait": (RUNS + "retry: {wait: -1}\n", 2, "retry.wait", "not a duration"),
    "no reason": (RUNS + "retry:\n- times: 1\n", 3, "retry.reason", "missing"),
    "no reasons": (RUNS + "retry:\n- {times: 1, reason: []}\n", 3, "retry.reason", "missing"),
    "an empty reason": (RUNS + "retry:\n- {times: 1, reason: ''}\n", 3, "retry.reason", "is not a glob"),
    "reasons in reasons": (RUNS + "retry:\n- {times: 1, reason: [[X]]}\n", 3, "retry.reason", "not a glob"),
    "too many reasons": (
        RUNS + f"retry:\n- {{times: 1, reason: [{'X,' * 21}]}}\n", 3, "retry.reason", "21 globs",
    ),
    "a long glob": (rule(f"message: {'x' * 201}"), 4, "retry.message", "201 characters"),
    "no times": (RUNS + "retry:\n- reason: X\n", 3, "retry.times", "missing"),
    "times in words": (RUNS + "retry: [{reason: X, times: two}]\n", 2, "retry.times", "not a number"),
    "half a time": (RUNS + "retry: [{reason: X, times: 0.5}]\n", 2, "retry.times", "'0.5' is not a number"),
    "times as text": (RUNS + "retry: [{reason: X, times: '2'}]\n", 2, "retry.times", "not a number"),
    "too many times": (RUNS + "retry: [{reason: X, times: 1000}]\n", 2, "retry.times", "not a number"),
    "no number at all": (RUNS + "retry: [{reason: X, times: .inf}]\n", 2, "retry.times", "not a number"),
    "unknown key of a rule": (rule("chnage: {}"), 4, "retry.chnage", "did you mean change?"),
    "a change that is none": (rule("change: 4800"), 4, "retry.change", "not a table"),
    "an unknown field": (change("storageCapcity: 1"), 4, "retry.change.storageCapcity", "storageCapacity?"),
    "a wrong type": (change("storageCapacity: big"), 4, "retry.change.storageCapacity", "whole number"),
    "a wrong value": (change("cacheBehavior: NEVER"), 4, "retry.change.cacheBehavior", "not one of"),
    "a required field": (change("roleArn: null"), 4, "retry.change.roleArn", "no value"),
    "requestId": (change("requestId: x"), 4, "retry.change.requestId", "batchrun makes"),
    "our tag": (change("tags: {'batchrun:id': x}"), 4, "retry.change.tags.batchrun:id", "batchrun's"),
    "a placeholder": (change("logLevel: '{id}'"), 4, "retry.change.logLevel", "{id} is not filled in"),
    "a deep placeholder": (
        change("parameters: {a: ['{batch}']}"), 4, "retry.change.parameters.a[0]", "is not filled in",
    ),
    "no table of parameters": (change("parameters: 1"), 4, "retry.change.parameters", "not a table"),
    "endless parameters": (
        change(f"parameters: {{a: {'x' * 256_000}}}"), 4, "retry.change.parameters", "bytes of JSON",
    ),
    "AWS's settings": ("batchName: b\nbatchRunSettings: {}\nretry: false\n", 3, "retry", "no place"),
    **{
        f"a row's own {name}": (change(f"{name}: '1'"), 4, f"retry.change.{name}", "is the row's")
        for name in ("id", "name", "workflowId", "runId", "outputUri", "outputUriPrefixMode")
    },
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_policy_is_told_with_place_and_cure(problems_of, case):
    text, line, field, message = BAD[case]
    problems = problems_of(text, ".yaml")
    assert any(
        (problem.line, problem.field) == (line, field) and message in f"{problem.message}; {problem.cure}"
        for problem in problems
    ), problems


def test_half_of_a_surrogate_pair_is_told(problems_of):
    rule = r'{"reason": "X", "times": 1, "change": {"tags": {"a": "\ud800"}}}'
    text = f'{{"runs": [{{"id": "a"}}], "retry": [{rule}]}}'
    (problem,) = problems_of(text, ".json")
    assert problem.field == "retry.change"
    assert "surrogate" in problem.message


def test_all_that_is_wrong_is_told_at_once(problems_of):
    text = "runs: [{id: a, worflowId: 1}]\nretry:\n  wait: x\n  rules:\n  - {reason: X}\n  - {times: 1}\n"
    lines = [problem.line for problem in problems_of(text, ".yaml")]
    assert lines == [1, 3, 5, 6]


def test_a_file_of_defaults_has_no_place_for_it(tmp_path, problems_of):
    (tmp_path / "d.yaml").write_text("workflowId: 1\nretry: [{reason: X, times: 1}]\n")
    (problem,) = problems_of("id\na\n", ".csv", defaults=(str(tmp_path / "d.yaml"),))
    assert (problem.line, problem.field) == (2, "retry")
    assert "put it into the manifest" in problem.cure


def test_a_million_keys_and_rules_take_no_time(problems_of):
    keys = "".join(f"  key{number}: 1\n" for number in range(20_000))
    assert problems_of(f"{RUNS}retry:\n{keys}", ".yaml")
    fields = ", ".join(f"field{number}: 1" for number in range(20_000))
    assert problems_of(change(fields), ".yaml")
    rules = "".join("  - {reason: X, times: 1}\n" for _ in range(20_000))
    problems = problems_of(f"{RUNS}retry:\n{rules}", ".yaml")
    assert f"more than {limits.RULES} rules" in problems[0].message


GLOBS = st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=9)
WAITS = st.none() | st.decimals(0, limits.WAIT, places=3).map(float)
CHANGED: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "storageCapacity": st.integers(0, 100_000),
        "cacheBehavior": st.none(),
        "parameters": st.dictionaries(GLOBS, GLOBS | st.none() | st.floats(-9, 9), min_size=1, max_size=3),
    },
)
CHANGES = st.none() | CHANGED.filter(bool).map(canonical)
REASONS = GLOBS | st.lists(GLOBS, min_size=2, max_size=3).map(tuple)
RULES = st.builds(
    RetryRule,
    reason=REASONS,
    times=st.integers(0, 999),
    message=GLOBS,
    wait=WAITS,
    change=CHANGES,
)
POLICIES = st.just(RetryPolicy(rules=())) | st.builds(
    RetryPolicy,
    rules=st.lists(RULES, max_size=3).map(lambda rules: (*rules, *DEFAULT_RULES)),
    wait=WAITS,
)


@given(policy=POLICIES)
def test_what_is_written_is_read_as_the_same_policy(tmp_path_factory, policy):
    for form in (Format.YAML, Format.JSON):
        out = io.StringIO()
        write(
            lambda: [WrittenRow(id="a", fields=FIELDS | {"outputUri": "s3://x/"})],
            out,
            form,
            batch="b",
            retry=policy,
        )
        path = tmp_path_factory.mktemp("written") / f"m.{form.value}"
        path.write_text(out.getvalue(), encoding="utf-8")
        with load(Source(path=str(path))) as manifest:
            assert manifest.retry == policy, form


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["rules", "wait", "reason", "message", "times", "change", "tags", "name", "x"]
                ),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_nothing_makes_anything_but_a_policy_or_problems(tmp_path_factory, block):
    path = tmp_path_factory.mktemp("any") / "m.json"
    path.write_text(json.dumps({"runs": [{"id": "a", **FIELDS}], "retry": block}))
    try:
        with load(Source(path=str(path))) as manifest:
            assert isinstance(manifest.retry, RetryPolicy)
    except ManifestError as error:
        assert all(problem.cure for problem in error.problems)  # noqa: PT017 (either is right)
