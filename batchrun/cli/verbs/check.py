"""``batchrun check``: find every error of a manifest without submitting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from batchrun.cli.launching.policy import retry_facts, tell_retries
from batchrun.cli.options import MANIFEST, OUTPUT, READ_RATE, SERVICE, STRICT, option, stacked
from batchrun.cli.printable import printable
from batchrun.cli.showing.inputs import facts as inputs_facts
from batchrun.cli.showing.inputs import lines as inputs_lines
from batchrun.cli.showing.quota_lines import limits
from batchrun.cli.signals import run_async
from batchrun.cli.speak import complain, emit, say
from batchrun.cli.storage import objects
from batchrun.cli.values import is_folder, seconds
from batchrun.errors import ManifestError, UsageError

if TYPE_CHECKING:
    from batchrun.cli.verbs.input_check import Inputs
    from batchrun.cli.verbs.online_check import Answers
    from batchrun.manifest import Manifest
    from batchrun.manifest.spool import RowPlaces
    from batchrun.manifest.warned.found import Warnings


@click.command(epilog="Read on: 'batchrun help manifest', 'batchrun help iam'.")
@MANIFEST
@STRICT
@stacked(
    option(
        "--online",
        is_flag=True,
        show_default=False,
        help="Ask the service too: workflows, their parameters, quotas.",
    ),
    option(
        "--inputs",
        is_flag=True,
        show_default=False,
        help="With --online: look in S3 whether each input is there, and say what was passed over.",
    ),
)
@READ_RATE
@SERVICE
@OUTPUT
def check(**options: Any) -> None:
    """
    Find every error of MANIFEST, or of each manifest of a folder; submit nothing, write nothing.

    Each row is checked as StartRun would see it: fields, types, lengths, patterns, sizes, placeholders,
    duplicate ids. Exits with 2 where something is wrong, naming the place, the value and the cure. What is no
    error and yet hardly meant, such as a path on a laptop or a number that is text, is a warning.

    With --online the service is asked too, once for each workflow: is it ACTIVE, which parameters does it
    require, which does it not know; how many runs are active, and what the quotas are. What you may not ask
    for is a warning. With --inputs each place in S3 that rows name is looked at, once; should S3 or the login
    be lost meanwhile, the command says what it saw, and exits with 5.
    """
    from batchrun.cli.launching.manifests import loaded, source  # noqa: PLC0415 (loads botocore)
    from batchrun.manifest.spool import RowPlaces  # noqa: PLC0415

    if options["inputs"] and not options["online"]:
        raise UsageError("--inputs asks S3: give --online with it")
    if is_folder(options["manifest"]):
        _check_folder(options)
        return
    places = RowPlaces() if options["online"] else None
    in_s3, quiet = objects(options), options["quiet"]
    with loaded(source(options), in_s3, as_json=options["as_json"], quiet=quiet, places=places) as manifest:
        _end(manifest, None if places is None else _asked(manifest, places, options), options)


def _check_folder(options: dict[str, Any]) -> None:
    from batchrun.cli.launching.manifests import loaded_folder, refuse_for_folder, source  # noqa: PLC0415 (loads botocore)

    refuse_for_folder(options, "batch", "manifest_format", "online")
    shown = {"as_json": options["as_json"], "quiet": options["quiet"]}
    with loaded_folder(source(options), objects(options), **shown) as manifests:
        for manifest in manifests:
            _end(manifest, None, options)


def _end(manifest: Manifest, answers: Answers | None, options: dict[str, Any]) -> None:
    if options["as_json"]:
        told = retry_facts(manifest.retry) | _facts(answers)
        emit("check", batch=manifest.batch, rows=manifest.count, problems=0, **told)
    else:
        _tell(manifest, answers)
        tell_retries(manifest.retry)


def _asked(manifest: Manifest, places: RowPlaces, options: dict[str, Any]) -> Answers:
    from batchrun.cli.verbs.online_check import Questions, examine  # noqa: PLC0415 (loads aiobotocore)
    from batchrun.service.target import Target  # noqa: PLC0415

    target = Target(
        profile=options["profile"],
        region=options["region"],
        endpoint_url=options["endpoint_url"],
        read_timeout=options["timeout"],
    )
    quiet = options["quiet"] or options["as_json"]
    questions = Questions(
        target=target, read_rate=options["read_rate"], inputs=options["inputs"], draws=not quiet
    )
    answers = run_async(examine, manifest, places, questions)
    for warning in answers.warnings:
        complain(f"warning: {printable(warning)}")
    if answers.inputs is not None:
        _tell_inputs(manifest, answers.inputs, as_json=options["as_json"])
    _raise_any(answers, as_json=options["as_json"])
    _tell_engines(answers.engines, options)
    return answers


def _tell_engines(found: Warnings, options: dict[str, Any]) -> None:
    """Tell what the rows' workflows make doubtful, or raise it, as of the rows alone."""
    from batchrun.cli.launching.manifests import emit_problems, tell_warnings  # noqa: PLC0415

    if not (options["strict"] and found.total):
        tell_warnings(found.told, found.total, as_json=options["as_json"], quiet=options["quiet"])
        return
    error = ManifestError(found.told, found.total)
    if options["as_json"]:
        emit_problems(error)
    raise error


def _tell_inputs(manifest: Manifest, inputs: Inputs, *, as_json: bool) -> None:
    """Tell what was seen of the inputs, whatever else is wrong."""
    if as_json:
        emit("inputs", batch=manifest.batch, **inputs_facts(inputs))
        return
    for line in inputs_lines(inputs):
        say(f"{printable(manifest.batch)}: {line}")


def _raise_any(answers: Answers, *, as_json: bool) -> None:
    """Raise what is wrong; where the looking itself has failed that, once the problems have been told."""
    from batchrun.cli.launching.manifests import emit_problems  # noqa: PLC0415

    broken = None if answers.inputs is None else answers.inputs.broken
    try:
        answers.problems.raise_any()
    except ManifestError as error:
        if as_json:
            emit_problems(error)
        if broken is None:
            raise
        complain(printable(str(error)))
    if broken is not None:
        raise broken


def _facts(answers: Answers | None) -> dict[str, Any]:
    if answers is None:
        return {}
    return {
        "workflows": answers.workflows,
        "inputs": 0 if answers.inputs is None else answers.inputs.looked_at,
        "start_run_per_second": answers.quotas.start_runs_per_second,
        "kept_runs": answers.quotas.kept_runs,
        "active_runs": answers.active,
        "active_run_quotas": dict(answers.at_once),
        "gpu_quota": answers.quotas.gpus,
        "warnings": answers.warnings,
    }


def _tell(manifest: Manifest, answers: Answers | None) -> None:
    rows = "1 row" if manifest.count == 1 else f"{manifest.count} rows"
    say(f"{printable(manifest.batch)}: {rows}, no problems found")
    if answers is None:
        return
    facts = ["1 workflow asked for" if answers.workflows == 1 else f"{answers.workflows} workflows asked for"]
    if answers.active is not None:
        facts.append(f"{answers.active} runs active in the account")
    if answers.at_once:
        facts.append(f"at most {limits(answers.at_once)} at once")
    if (gpus := answers.quotas.gpus) is not None:
        facts.append(f"{gpus} GPUs at once")
    if (rate := answers.quotas.start_runs_per_second) is not None:
        facts.append(f"StartRun {rate:g} per second: {seconds(manifest.count / rate)} to submit")
    say(f"  {'; '.join(facts)}")
