"""The options that several verbs share, each of which also reads ``BATCHRUN_<OPTION>``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

import click
from click.core import ParameterSource

from batchrun.cli.command import Risk, argument, duration, flag, option, typed, typed_flag
from batchrun.cli.completion import batches
from batchrun.cli.speak import complain, complain_in_json
from batchrun.cli.values import FileOrStdout, OutputPath, PacedRate, SettingsFolder
from batchrun.model.submissions.grouping import MOST, Engine
from batchrun.service.target import Target

#: The ledger without --ledger, in the working directory.
DEFAULT_LEDGER: Final = "batchrun.db"


def warned_of_password(context: click.Context, parameter: click.Parameter, ledger: str) -> str:
    """Warn of a password in a typed *ledger* address: the process list shows it."""
    is_typed = context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
    if is_typed and ("=" in ledger or ":" in ledger) and not context.resilient_parsing:
        from batchrun.ledger import LedgerPlace  # noqa: PLC0415 (not for the path of a file)

        if LedgerPlace(ledger).has_password:
            is_option = isinstance(parameter, click.Option)
            where = parameter.opts[0] if is_option else parameter.metavar
            or_else = ", or give the address by BATCHRUN_LEDGER" if is_option else ""
            complain(
                f"warning: every user of this machine can read the password in {where} (ps); "
                f"keep it in a service file (service=NAME) or in PGPASSFILE{or_else}"
            )
    return ledger


LEDGER: Final = partial(
    option,
    default=DEFAULT_LEDGER,
    callback=warned_of_password,
    metavar="LEDGER",
    help="The ledger: a SQLite file, or postgresql://HOST/DATABASE or service=NAME; see 'batchrun help "
    "postgres'.",
)

#: The batch; it may be left out if the ledger has only one.
BATCH: Final = partial(argument, required=False, shell_complete=batches)

LANES: Final = partial(
    option,
    metavar="FILE",
    risk=Risk.ADDRESS,
    help="A YAML or JSON file, or s3://BUCKET/KEY, of the lanes (accounts and regions) that rows may be "
    "sent to; see 'batchrun help lanes'.",
)

#: The same for verbs of a batch whose lanes are in the ledger.
REACHED: Final = partial(
    option,
    metavar="FILE",
    risk=Risk.ADDRESS,
    help="A YAML or JSON file, or s3://BUCKET/KEY, that says how to reach the lanes of BATCH, in place of "
    "its manifest.",
)

STRICT: Final = partial(
    flag, help="Treat warnings about the manifest as errors: exit with 2, and submit nothing."
)

CHANGED: Final = partial(option, type=click.Choice(["keep", "resubmit"]))

RATE: Final = partial(
    option,
    type=PacedRate(),
    default="auto",
    metavar="auto|N|unlimited",
    help="At most this many StartRun calls per second; auto finds the account's limit.",
)

READ_RATE: Final = partial(
    option,
    type=PacedRate(),
    default="auto",
    metavar="auto|N|unlimited",
    help="At most this many calls per second of each operation but StartRun.",
)

CONCURRENCY: Final = partial(
    option,
    type=click.IntRange(1, 1000),
    default=32,
    help="At most this many calls of one kind in flight at once.",
)

MAX_ACTIVE: Final = partial(
    option,
    type=click.IntRange(min=1),
    help="At most this many active runs of this batch at once.  [default: no cap]",
)

LISTING_LAG: Final = partial(
    duration,
    default="60s",
    help="How long a new run may be missing from ListRuns. A run that the service says does not exist is "
    "looked up again after the same time.",
)

RESULTS: Final = partial(
    option,
    type=OutputPath(),
    metavar="FILE",
    help="Where to write the results, .csv, .json or .jsonl; s3://BUCKET/KEY too.  [default: "
    "BATCH.results.csv in this directory]",
)

#: The output file of a verb.
WRITTEN: Final = partial(typed, "-o", "--output", type=FileOrStdout(), metavar="FILE")

SAFE_CSV: Final = partial(
    flag, help="Put an apostrophe before cells of a CSV that a spreadsheet would take for a formula."
)

TIMEOUT: Final = partial(duration, default="30s", help="How long to wait for one answer.")

JSON: Final = partial(
    typed_flag, "--json", help="Write JSON lines to stdout, one object each; see 'batchrun help json'."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The options of the AWS account."""

    profile: str | None = option(metavar="NAME", help="The AWS profile, instead of AWS_PROFILE.")
    region: str | None = option(metavar="REGION", help="The AWS region, instead of AWS_REGION.")

    def target(self) -> Target:
        """Return the options as a target of calls."""
        return Target(profile=self.profile, region=self.region)


#: For verbs whose lanes set it themselves.
NO_ACCOUNT: Final = Account(profile=None, region=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(Account):
    """The options of HealthOmics: where it is, and the timeouts of calls."""

    endpoint_url: str | None = option(
        metavar="URL",
        risk=Risk.ADDRESS,
        help="Another HealthOmics endpoint, such as a simulator's, instead of AWS_ENDPOINT_URL_OMICS.",
    )
    timeout: float = TIMEOUT()

    def target(self, *, concurrency: int = 32) -> Target:
        """Return the target of the service, with *concurrency* calls of one kind in flight."""
        return Target(
            profile=self.profile,
            region=self.region,
            endpoint_url=self.endpoint_url,
            read_timeout=self.timeout,
            connections=2 * concurrency + 8,
        )


def _in_log_format(_context: click.Context, _parameter: click.Parameter, log_format: str) -> str:
    complain_in_json(log_format == "json")
    return log_format


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """The options of a verb's output."""

    as_json: bool = JSON()
    log_format: str = option(
        type=click.Choice(["human", "json"]),
        default="human",
        is_eager=True,
        callback=_in_log_format,
        help="The format of all lines on stderr.",
    )
    verbose: int = option("-v", count=True, show_default=False, help="Log every retry too.")
    quiet: bool = flag("-q", help="Print only what needs attention.")

    @property
    def verbosity(self) -> int:
        """-1 quiet, 0 normal, 1 and more verbose."""
        return -1 if self.quiet else self.verbose


#: For verbs without these options.
PLAIN: Final = Output(as_json=False, log_format="human", verbose=0, quiet=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """The options of how rows are submitted, and of where rows of large submissions are stored."""

    engine: str = option(
        type=click.Choice([engine.value for engine in Engine]),
        default=Engine.STARTRUN.value,
        help="How to submit: each row by StartRun; similar rows together by StartRunBatch, which the service "
        "then submits by itself; or auto, by StartRunBatch where 100 rows or more are similar. See "
        "'batchrun help engines'.",
    )
    batch_settings: str | None = option(
        type=SettingsFolder(),
        metavar="s3://BUCKET/PREFIX/",
        help="Where to put files in S3 with the rows of a StartRunBatch of more than 100; the runs' role "
        "must be able to read them.  [default: none, and 100 rows at most]",
    )
    batch_rows: int | None = option(
        type=click.IntRange(1, MOST),
        help="At most this many rows in one StartRunBatch.  [default: 10000 with --batch-settings, else 100]",
    )

    @property
    def kind(self) -> Engine:
        """The engine."""
        return Engine(self.engine)

    @property
    def goes_together(self) -> bool:
        """Whether no row may go by StartRun."""
        return self.kind is Engine.BATCH
