"""A manifest's ``retry:``: which failed runs are retried automatically, and what the next attempt asks for.

    retry:
      wait: 5m
      rules:
        - reason: "OUT_OF_MEMORY*"
          times: 2
          change: {storageType: STATIC, storageCapacity: 4800}

A list is short for its rules alone, and ``false`` means no retries. Placeholders in ``change`` are not filled
in: it is merged over a request that has none any more. A null there leaves a field out. With lanes, ``lane``
in it says where the next attempt goes.

Belongs here: reading and writing the block's own keys. Does not: what a policy leads to
(``model.entries.retrying``), and what a field of StartRun may hold (``model_check``, ``rules``).
"""

from __future__ import annotations

import json
from typing import Final

from batchrun.manifest import limits
from batchrun.manifest.model_check import RequestModel
from batchrun.manifest.parts import Part, Record
from batchrun.manifest.placeholders import names_in, unescaped
from batchrun.manifest.problems import Path, Problems, dotted, instead, printable, shown
from batchrun.manifest.rules import check_size
from batchrun.manifest.scalars import HALF_A_CHARACTER, NULLS, Plain, as_text, typed
from batchrun.manifest.written_rows import as_written
from batchrun.model.entries.retrying import DEFAULT_RULES, LANE, RetryPolicy, RetryRule
from batchrun.model.spec import Json, canonical
from batchrun.model.texts import durations

RETRY: Final = "retry"
_KEYS: Final = ("wait", "rules")
_RULE_KEYS: Final = ("reason", "message", "times", "wait", "change")
#: Fields that tie a run to its row, or keep its outputs apart from those of others.
_FIXED: Final = frozenset({"id", "name", "workflowId", "runId", "outputUri", "outputUriPrefixMode"})
_REQUIRED: Final = frozenset({"roleArn", LANE})
_SHAPE: Final = "write a table with wait and rules, a list of rules, or false for no retry at all"


class RetryReader:
    """Reads the block part by part; :attr:`policy` is complete after the last."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._rules: list[RetryRule] = []
        self._wait: float | None = None
        self._is_off = False

    @property
    def policy(self) -> RetryPolicy:
        """The policy, with the default rules after its own."""
        rules = () if self._is_off else (*self._rules, *DEFAULT_RULES)
        return RetryPolicy(rules=rules, wait=self._wait)

    def take(self, part: Part, model: RequestModel) -> None:
        """Read one part; what is wrong with it becomes problems. *model* has the fields of a row."""
        is_list_of_rules = part.key in {(RETRY,), (RETRY, "rules")}
        match part.key:
            case _ if is_list_of_rules and part.is_element:
                self._take_rule(part, model)
            case _ if is_list_of_rules and part.value == []:
                pass
            case (_,) if typed(part.value) is False:
                self._is_off = True
            case (_,):
                self._report(part, f"{shown(part.value)} is not a policy", _SHAPE)
            case (_, "wait"):
                self._wait = _Table(part.record({"wait": part.value}), self._problems).wait()
            case (_, "rules"):
                self._report(part, f"{shown(part.value)} is not a list of rules", "write a list of tables")
            case _:
                name = part.key[-1]
                self._report(
                    part, f"{shown(name)} is not a key of retry", _key_cure(name, _KEYS, self._problems)
                )

    def _take_rule(self, part: Part, model: RequestModel) -> None:
        if not isinstance(part.value, dict):
            self._report(part, f"{shown(part.value)} is not a rule", "write a table with reason and times")
        elif len(self._rules) >= limits.RULES:
            self._report(part, f"there are more than {limits.RULES} rules", "use globs to make them fewer")
        else:
            rule = _Table(part.record(part.value), self._problems).rule(model)
            self._rules += [] if rule is None else [rule]

    def _report(self, part: Part, message: str, cure: str) -> None:
        self._problems.add(part.place, message, cure, field=".".join(part.key))


class _Table:
    """A rule, or another table of the block, while it is read."""

    def __init__(self, record: Record, problems: Problems) -> None:
        self._record = record
        self._problems = problems
        self._has_failed = False

    def rule(self, model: RequestModel) -> RetryRule | None:
        """Return the rule; None if it has problems, which are recorded."""
        fields = self._record.fields
        for name in (name for name in fields if name not in _RULE_KEYS):
            self.report((name,), "there is no such key", _key_cure(name, _RULE_KEYS, self._problems))
        reasons, times = self._reasons(), self._times()
        message = self._glob(fields["message"], ("message",)) if "message" in fields else "*"
        wait = self.wait() if "wait" in fields else None
        change = self._change(model) if "change" in fields else None
        if self._has_failed:
            return None
        reason = reasons[0] if len(reasons) == 1 else reasons
        return RetryRule(reason=reason, times=times, message=message, wait=wait, change=change)

    def wait(self) -> float | None:
        """Return ``wait`` in seconds."""
        value = self._record.fields["wait"]
        cure = "write for instance 90s, 10m or 1h30m, at most 30d"
        try:
            seconds = durations.parsed(as_text(value) or "")
        except ValueError:
            self.report(("wait",), f"{shown(value)} is not a duration", cure)
            return None
        if seconds > limits.WAIT:
            self.report(("wait",), f"{shown(value)} is too long", cure)
        return seconds

    def _reasons(self) -> tuple[str, ...]:
        value = self._record.fields.get("reason")
        if value is None or value == []:
            self.report(("reason",), "it is missing", "give a failureReason, or a glob: '*' is any")
        globs = value if isinstance(value, list) else [value]
        if len(globs) > limits.REASONS:
            self.report(("reason",), f"{len(globs)} globs", f"give at most {limits.REASONS}")
            return ()
        return tuple(self._glob(glob, ("reason",)) for glob in globs if value is not None)

    def _glob(self, value: Json, path: Path) -> str:
        text = as_text(value)
        if not text:
            self.report(path, f"{shown(value)} is not a glob", "write text, in which * is anything")
        elif len(text) > limits.GLOB:
            self.report(path, f"{shown(text)} has {len(text)} characters", f"use at most {limits.GLOB}")
        return text or ""

    def _times(self) -> int:
        value = self._record.fields.get("times")
        number = typed(value)
        if value is None:
            self.report(("times",), "it is missing", "say how many more attempts there are at most")
        elif type(number) is not int or not 0 <= number <= limits.RETRIES:
            cure = f"write a whole number from 0, which is none, to {limits.RETRIES}"
            self.report(("times",), f"{shown(value)} is not a number of attempts", cure)
        else:
            return number
        return 0

    def _change(self, model: RequestModel) -> str | None:
        value = self._record.fields["change"]
        if not isinstance(value, dict):
            self.report(("change",), f"{shown(value)} is not a table", "write a table of StartRun fields")
            return None
        fields = {name: self._field(name, part, model) for name, part in value.items()}
        if self._has_failed or not fields:
            return None
        text = canonical(fields)
        try:
            text.encode()
        except UnicodeEncodeError:
            self.report(("change",), *HALF_A_CHARACTER)
        return text

    def _field(self, name: str, value: Json, model: RequestModel) -> Json:
        path = ("change", name)
        if name in _FIXED:
            why = f"{name} is the row's for all of its attempts"
            self.report(path, why, "leave it out; a run that differs in it is another row")
        elif name not in model.fields:
            self.report(path, *model.unknown(name, guess=self._problems.may_guess))
        elif _is_null(value) and name not in _REQUIRED:
            return None
        else:
            checked = model.fields[name].check(value, path, self)
            if name == "parameters":
                check_size(checked, self, path)
            return checked
        return None

    def fill(self, text: str, path: Path) -> str | None:
        """Return the text as it is."""
        if names := names_in(text):
            message = f"{{{printable(names[0])}}} is not filled in here"
            self.report(path, message, "write the text itself; for a brace as text write {{")
            return None
        return unescaped(text)

    def report(self, path: Path, message: str, cure: str) -> None:
        """Record a problem."""
        self._has_failed = True
        self._problems.add(self._record.place_of(path), message, cure, field=f"{RETRY}.{dotted(path)}")


def check_against(policy: RetryPolicy, by_uri: Record | None, problems: Problems) -> None:
    """Report rules that change parameters if some row has them in a file, which nothing is merged over."""
    if by_uri is None or not any("parameters" in rule.changed_fields for rule in policy.rules):
        return
    message = f"{RETRY}.change has parameters, which cannot be laid over those in the file"
    cure = "have the rule change parametersUri, or give the rows parameters"
    problems.add(by_uri.place_of(("parametersUri",)), message, cure, field="parametersUri")


def written(policy: RetryPolicy) -> Json:
    """Return the block that reads as *policy*; None if no block is needed."""
    if policy == RetryPolicy():
        return None
    if not policy.rules:
        return False
    own = policy.rules[: -len(DEFAULT_RULES)]
    head: dict[str, Json] = {} if policy.wait is None else {"wait": durations.written(policy.wait)}
    return head | ({"rules": [_written_rule(rule) for rule in own]} if own else {})


def _written_rule(rule: RetryRule) -> Json:
    table: dict[str, Json] = {"reason": rule.reason if isinstance(rule.reason, str) else [*rule.reason]}
    if rule.message != "*":
        table["message"] = rule.message
    table["times"] = rule.times
    if rule.wait is not None:
        table["wait"] = durations.written(rule.wait)
    if rule.change is not None:
        table["change"] = as_written(json.loads(rule.change))
    return table


def _key_cure(name: str, keys: tuple[str, ...], problems: Problems) -> str:
    known = f"use {', '.join(keys)}"
    return instead(name, keys, known) if problems.may_guess else known


def _is_null(value: Json) -> bool:
    return value is None or (isinstance(value, Plain) and value in NULLS)
