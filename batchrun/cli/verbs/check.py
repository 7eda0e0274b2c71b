"""``batchrun check``: find every error of a manifest without submitting."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from batchrun.api.objects import ObjectsOnce, OneLogin
from batchrun.cli.calling import login_to
from batchrun.cli.command import flag, group, verb
from batchrun.cli.manifest_options import ManifestOptions
from batchrun.cli.options import READ_RATE, STRICT, EngineOptions, Output, Service
from batchrun.cli.signals import run_async
from batchrun.cli.speak import complain, emit, explain, is_terminal, say
from batchrun.cli.verbs.planned import PlannedEngine, at_most, retry_facts, tell_retries
from batchrun.errors import ManifestError, UsageError
from batchrun.model.paces.rates import Rate
from batchrun.model.planning.limits import Limits
from batchrun.model.texts.words import counted, seconds
from batchrun.ports.objects import Sight, Skip

if TYPE_CHECKING:
    from batchrun.api.input_check import InputFindings
    from batchrun.api.online_check import Answers
    from batchrun.manifest import Manifest
    from batchrun.manifest.spool import RowPlaces
    from batchrun.manifest.warned.found import Warnings

_SIGHTS: Final = {
    Sight.THERE: "there",
    Sight.MISSING: "not there",
    Sight.EMPTY: "with nothing under them",
    Sight.UNMATCHED: "that match nothing",
    Sight.NO_BUCKET: "in no bucket that exists",
    Sight.ARCHIVED: "archived",
    Sight.RESTORING: "being restored",
    Sight.DENIED: "there, but not readable",
    Sight.HIDDEN: "not accessible",
    Sight.TOO_MANY: "with too many objects to be sure",
}
_SKIPS: Final = {
    Skip.OTHER_SCHEME: "not in S3",
    Skip.OMICS: "in HealthOmics storage",
    Skip.ARN: "an ARN",
    Skip.WORKFLOW_PATH: "a path within the run",
    Skip.LOCAL_PATH: "a local path",
    Skip.MISSPELT: "a malformed s3:// URI",
    Skip.PLACEHOLDER: "with a placeholder that the workflow fills in",
    Skip.WITHIN_TEXT: "within a longer text",
    Skip.OUTPUT: "named like an output",
    Skip.OWN_SHEET: "a sheet that batchrun itself writes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of ``batchrun check``."""

    manifest: ManifestOptions = group(ManifestOptions)
    strict: bool = STRICT()
    online: bool = flag(help="Ask the service too: workflows, their parameters, quotas.")
    inputs: bool = flag(help="With --online: check that each input exists in S3, and list what was skipped.")
    read_rate: Rate = READ_RATE()
    together: EngineOptions = group(EngineOptions)
    service: Service = group(Service)
    output: Output = group(Output)


@verb(Options, epilog="Read on: 'batchrun help manifest', 'batchrun help engines', 'batchrun help iam'.")
def check(options: Options) -> None:
    """Find every error of MANIFEST, or of each manifest of a folder; submit nothing, write nothing.

    Each row is checked as StartRun would check it: fields, types, lengths, patterns, sizes, placeholders,
    duplicate ids. Exits with 2 where something is wrong, naming the place, the value and the cure. What is
    probably a mistake, such as a path on a laptop or a number that is text, is a warning.

    With --online the service is asked too, once for each workflow: is it ACTIVE, which parameters does it
    require, which does it not know; how many runs are active, and what the quotas are. What you may not ask
    for is a warning. With --inputs each place in S3 that rows name is looked at, once; where S3 or the login
    is lost meanwhile, the command reports what it has seen, and exits with 5.

    With --engine batch a row that StartRunBatch cannot start is an error too; with auto it is said which rows
    go by StartRun, and why.
    """
    from batchrun.cli.launching.manifests import refuse_beside_lanes, taken  # noqa: PLC0415 (loads botocore)
    from batchrun.manifest.spool import RowPlaces  # noqa: PLC0415

    if options.inputs and not options.online:
        raise UsageError("--inputs asks S3: give --online with it")
    login = login_to(options.service, options.output)
    places = RowPlaces() if options.online else None
    with taken(
        options.manifest,
        ObjectsOnce(login),
        options.output,
        strict=options.strict,
        goes_together=options.together.goes_together,
        places=places,
        online=options.online,
    ) as manifests:
        refuse_beside_lanes(manifests, options.service)
        together = options.together
        limits = Limits(engine=together.kind, batch_rows=together.batch_rows, tag=options.manifest.tags)
        engines = [PlannedEngine.of(one, limits, together.batch_settings) for one in manifests]
        for manifest, engine in zip(manifests, engines, strict=True):
            answers = None if places is None else _asked(manifest, places, login, options)
            _end(manifest, answers, engine, options.output)


def _end(manifest: Manifest, answers: Answers | None, engine: PlannedEngine | None, output: Output) -> None:
    if output.as_json:
        facts = retry_facts(manifest.retry) | _facts(answers) | ({} if engine is None else engine.facts)
        emit("check", batch=manifest.batch, rows=manifest.count, problems=0, **facts)
    else:
        _tell(manifest, answers)
        for line in () if engine is None else engine.lines:
            say(f"  {line}", hang=4)
        tell_retries(manifest)


def _asked(manifest: Manifest, places: RowPlaces, login: OneLogin, options: Options) -> Answers:
    from batchrun.api.online_check import examine  # noqa: PLC0415 (loads aiobotocore)
    from batchrun.cli.logs import configure  # noqa: PLC0415

    output = options.output
    configure(output, usual=-1)
    watched = partial(_drawn, is_shown=not (output.quiet or output.as_json)) if options.inputs else None
    asking = partial(examine, read_rate=options.read_rate, watched=watched)
    answers = run_async(asking, manifest, places, login)
    for warning in answers.warnings:
        complain(f"warning: {warning}")
    looked: list[tuple[str | None, Answers]] = [(None, answers), *answers.lanes.items()]
    for name, one in looked:
        if one.inputs is not None:
            _tell_inputs(manifest, one.inputs, name, as_json=output.as_json)
    _raise_any(answers, as_json=output.as_json)
    for _, one in looked:
        _tell_engines(one.engines, options)
    return answers


def _tell_engines(found: Warnings, options: Options) -> None:
    """Report warnings that follow from the rows' workflows, or raise them if --strict."""
    from batchrun.cli.launching.manifests import emit_problems, tell_warnings  # noqa: PLC0415

    if not (options.strict and found.total):
        tell_warnings(found.told, found.total, options.output)
        return
    error = ManifestError(found.told, found.total)
    if options.output.as_json:
        emit_problems(error)
    raise error


def _tell_inputs(manifest: Manifest, inputs: InputFindings, lane: str | None, *, as_json: bool) -> None:
    """Report the checked inputs, those of *lane* if there are lanes, even if there are problems."""
    if as_json:
        emit(
            "inputs", batch=manifest.batch, **({} if lane is None else {"lane": lane}), **_input_facts(inputs)
        )
        return
    for line in _input_lines(inputs):
        say(f"{manifest.batch}{'' if lane is None else f', lane {lane}'}: {line}")


def _raise_any(answers: Answers, *, as_json: bool) -> None:
    """Raise the problems; if the check itself failed, report the problems and raise its error."""
    from batchrun.cli.launching.manifests import emit_problems  # noqa: PLC0415

    broken = answers.broken
    try:
        answers.problems.raise_any()
    except ManifestError as error:
        if as_json:
            emit_problems(error)
        if broken is None:
            raise
        explain(str(error))
    if broken is not None:
        raise broken


def _facts(answers: Answers | None) -> dict[str, Any]:
    if answers is None:
        return {}
    lanes = {name: _account_facts(one) for name, one in answers.lanes.items()}
    return _account_facts(answers) | {"warnings": answers.warnings} | ({"lanes": lanes} if lanes else {})


def _account_facts(answers: Answers) -> dict[str, Any]:
    return {
        "workflows": answers.workflows,
        "inputs": 0 if answers.inputs is None else answers.inputs.looked_at,
        "start_run_per_second": answers.quotas.start_runs_per_second,
        "kept_runs": answers.quotas.kept_runs,
        "active_runs": answers.active,
        "active_run_quotas": dict(answers.at_once),
        "gpu_quota": answers.quotas.gpus,
    }


def _tell(manifest: Manifest, answers: Answers | None) -> None:
    rows = counted(manifest.count, "row")
    say(f"{manifest.batch}: {rows}, no problems found")
    if answers is None:
        return
    if not answers.lanes:
        say(f"  {'; '.join(_account(answers, manifest.count))}")
    for name, one in answers.lanes.items():
        say(f"  lane {name}: {'; '.join(_account(one, None))}")


def _account(answers: Answers, rows: int | None) -> Iterator[str]:
    """Yield what an account has and allows, and how long submitting *rows* takes there."""
    yield f"{counted(answers.workflows, 'workflow')} checked"
    if answers.active is not None:
        yield f"{answers.active} runs active in the account"
    if answers.at_once:
        yield f"at most {at_most(answers.at_once)} at once"
    if (gpus := answers.quotas.gpus) is not None:
        yield f"{gpus} GPUs at once"
    if (rate := answers.quotas.start_runs_per_second) is not None:
        time = "" if rows is None else f": {seconds(rows / rate)} to submit"
        yield f"StartRun {rate:g} per second{time}"


def _input_facts(inputs: InputFindings) -> dict[str, Any]:
    """Return the numbers of checked inputs by their names in --json."""
    return {
        "places": inputs.total,
        "looked_at": inputs.looked_at,
        "seen": {sight.value: inputs.seen[sight] for sight in Sight},
        "passed_over": {skip.value: inputs.skipped.get(skip, 0) for skip in Skip},
        "examples": {skip.value: text for skip, text in inputs.examples.items()},
        "calls": dict(inputs.calls),
        "warnings": inputs.warnings,
        "is_whole": inputs.broken is None,
    }


def _input_lines(inputs: InputFindings) -> Iterator[str]:
    """Yield what was checked, then what was skipped."""
    parts = [f"{count} {_SIGHTS[sight]}" for sight in Sight if (count := inputs.seen[sight])]
    unseen = "" if inputs.looked_at == inputs.total else f", {inputs.looked_at} looked at"
    yield f"inputs: {counted(inputs.total, 'place')} in S3{unseen}{': ' if parts else ''}{', '.join(parts)}"
    if inputs.skipped:
        yield "skipped: " + "; ".join(
            f"{count} {_SKIPS[skip]}, such as {inputs.examples[skip]}"
            if count > 1
            else f"1 {_SKIPS[skip]}: {inputs.examples[skip]}"
            for skip in Skip
            if (count := inputs.skipped.get(skip, 0))
        )


@contextmanager
def _drawn(*, is_shown: bool) -> Iterator[Callable[[InputFindings], None]]:
    """Yield a callback for each place that was checked; on a terminal it draws the progress."""
    if not (is_shown and is_terminal(sys.stderr)):
        yield lambda _inputs: None
        return
    from batchrun.cli.showing.drawn import inputs_bar  # noqa: PLC0415 (rich draws on terminals only)

    with inputs_bar() as draw:
        yield draw
