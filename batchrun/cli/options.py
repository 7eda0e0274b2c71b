"""
The options that several verbs share, each of which also reads ``BATCHRUN_<OPTION>``.

Belongs here: names, defaults and help of options. Does not: what verbs do with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from batchrun.cli.completion import batches, files
from batchrun.cli.values import Duration, Lines, OutputPath, PacedRate
from batchrun.service.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

F = TypeVar("F", bound="Callable[..., Any]")

#: What a path is called in help.
_PATHS: Final = frozenset({"FILE", "PATH"})
#: Where the ledger is unless --ledger says otherwise: in the working directory.
DEFAULT_LEDGER: Final = "batchrun.db"


def option(*names: str, **settings: Any) -> Callable[[F], F]:
    """Make a click option that shows its default and reads its own environment variable."""
    long = next(name for name in names if name.startswith("--")).split("/")[0]
    settings.setdefault("envvar", variable(long.removeprefix("--")))
    settings.setdefault("show_default", True)
    settings.setdefault("show_envvar", True)
    if settings.get("metavar") in _PATHS:
        settings.setdefault("shell_complete", files)
    return click.option(*names, **settings)


def variable(key: str) -> str:
    """Name the environment variable of an option, unless it has one of its own."""
    return "BATCHRUN_" + key.upper().replace("-", "_")


def stacked(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Make one decorator of several options, shown in this order."""

    def decorate(command: F) -> F:
        for one in reversed(options):
            command = one(command)
        return command

    return decorate


LEDGER = option("--ledger", default=DEFAULT_LEDGER, metavar="PATH", help="The ledger: a SQLite file.")

#: The batch in question; it may be left out where the ledger has only one.
BATCH = click.argument("batch", required=False, shell_complete=batches)

SHEET = stacked(
    option(
        "--id",
        metavar="COLUMN|TEXT",
        help="A sheet's column with the ids, or a text with {COLUMN} in it.",
    ),
    option(
        "--group-by",
        type=Lines(),
        multiple=True,
        metavar="COLUMN",
        help="Rows of a sheet that have the same in this column make one run; repeatable. It is the id where "
        "none is given.",
    ),
    option(
        "--parameter",
        "parameters",
        type=Lines(),
        multiple=True,
        metavar="NAME=TEXT",
        envvar=None,
        show_envvar=False,
        help="A parameter made of a sheet's columns: NAME={COLUMN}, NAME={COLUMN:int}, or "
        'NAME:json=[{"r1": "{COLUMN}"}], whose outermost list has one element for each row; repeatable.',
    ),
    option(
        "--columns-as-parameters",
        metavar="[all|A,B,...]",
        is_flag=False,
        flag_value="all",
        help="Make these columns of a sheet parameters of their names; all is each that nothing else names.",
    ),
    option(
        "--delimiter",
        metavar="CHARACTER",
        help="What stands between cells, such as ';' or tab.  [default: as the header says]",
    ),
    option(
        "--encoding",
        metavar="NAME",
        help="What a table is written in, such as latin-1.  [default: utf-8, or utf-16 by its mark]",
    ),
    option(
        "--worksheet",
        metavar="NAME",
        help="The worksheet of a workbook, or the section of an Illumina SampleSheet.  [default: the only "
        "visible one, and Data]",
    ),
    option(
        "--header",
        metavar="A,B,...",
        help="The columns' names, for a table without a line of them.",
    ),
)


def _one_manifest(_context: click.Context, _parameter: click.Parameter, paths: tuple[str, ...]) -> str | None:
    """Return the one path; click cannot say why the shell made several of a pattern."""
    if len(paths) > 1:
        raise click.UsageError(
            f"one MANIFEST is taken, and there are {len(paths)}; give a folder, or a pattern in quotes with "
            "--each-file"
        )
    return paths[0] if paths else None


MANIFEST = stacked(
    click.argument(
        "manifest", metavar="MANIFEST", nargs=-1, callback=_one_manifest, required=False, shell_complete=files
    ),
    option(
        "--each-file",
        metavar="PATTERN",
        envvar=None,
        show_envvar=False,
        help="In place of MANIFEST: each of these JSON or YAML files is one run, its parameters or a whole "
        "StartRun request, such as 'inputs/*.json'; the id is the file's name, or where {id} stands: "
        "'samples/{id}/inputs.json'.",
    ),
    option(
        "--format",
        "manifest_format",
        type=click.Choice(["yaml", "json", "jsonl", "csv", "tsv"]),
        help="The manifest's format, where its name does not say.  [default: by extension]",
    ),
    option("--batch", shell_complete=batches, help="The batch's name.  [default: the manifest's]"),
    option(
        "--defaults",
        type=Lines(),
        multiple=True,
        metavar="FILE",
        help="A YAML or JSON file, or s3://BUCKET/KEY, of StartRun fields that every row takes; repeatable, "
        "later wins.",
    ),
    option(
        "--parameters-from",
        type=Lines(),
        multiple=True,
        metavar="FILE",
        help="A YAML or JSON file of parameters that every row takes, such as a WDL inputs JSON or an "
        "nf-core params file; repeatable, later wins; over the manifest's own defaults, under --set and the "
        "row.",
    ),
    option(
        "--set",
        "sets",
        type=Lines(),
        multiple=True,
        metavar="FIELD=VALUE",
        help="A StartRun field that every row takes, such as workflowId=1234567 or parameters.threads:int=8; "
        "repeatable; over --defaults, the manifest's own defaults and --parameters-from, under the row.",
    ),
    option(
        "--env",
        type=Lines(),
        multiple=True,
        metavar="NAME",
        help="A variable of the environment that {env.NAME} may stand for, in defaults and rows; repeatable. "
        "Never a credential's.",
    ),
    option(
        "--tags/--no-tags",
        default=True,
        help="Tag each run at its creation, so that it can be found again without a ledger.",
    ),
    SHEET,
)

STRICT = option(
    "--strict",
    is_flag=True,
    show_default=False,
    help="Take what the manifest is warned of for an error: exit with 2, and submit nothing.",
)

ACCOUNT = stacked(
    option("--profile", metavar="NAME", help="The AWS profile, instead of AWS_PROFILE."),
    option("--region", metavar="REGION", help="The AWS region, instead of AWS_REGION."),
)

SERVICE = stacked(
    ACCOUNT,
    option(
        "--endpoint-url",
        metavar="URL",
        help="Another HealthOmics, such as a simulator, instead of AWS_ENDPOINT_URL_OMICS.",
    ),
    option("--timeout", type=Duration(), default="30s", help="How long to wait for one answer."),
)

READ_RATE = option(
    "--read-rate",
    type=PacedRate(),
    default="auto",
    metavar="auto|N|unlimited",
    help="Calls per second of each other operation, at most.",
)

CONCURRENCY = option(
    "--concurrency",
    type=click.IntRange(1, 1000),
    default=32,
    help="Calls of one kind in the air at once.",
)

LISTING_LAG = option(
    "--listing-lag",
    type=Duration(),
    default="60s",
    help="How long a new run may be missing from ListRuns: not listed yet is not the same as not there. What "
    "an answer says is gone is looked for once more after as long.",
)

PACE = stacked(
    option(
        "--rate",
        type=PacedRate(),
        default="auto",
        metavar="auto|N|unlimited",
        help="StartRun calls per second, at most; auto finds the account's limit.",
    ),
    READ_RATE,
    CONCURRENCY,
    option(
        "--max-active",
        type=click.IntRange(min=1),
        help="Runs of this batch that may be active at once.  [default: no cap]",
    ),
)

RESULTS = option(
    "--results",
    type=OutputPath(),
    metavar="FILE",
    help="Where the results go, .csv, .json or .jsonl, in S3 too.  [default: BATCH.results.csv in this "
    "directory]",
)

SAFE_CSV = option(
    "--safe-csv",
    is_flag=True,
    show_default=False,
    help="Put an apostrophe before cells of a CSV that a spreadsheet would take for a formula.",
)

JSON = option(
    "--json",
    "as_json",
    is_flag=True,
    show_default=False,
    help="JSON lines on stdout, one object each; 'batchrun help json' tells the names.",
)

OUTPUT = stacked(
    JSON,
    option(
        "--log-format",
        type=click.Choice(["human", "json"]),
        default="human",
        help="How log lines on stderr look.",
    ),
    option("-v", "--verbose", count=True, show_default=False, help="Log every retry too."),
    option(
        "-q", "--quiet", is_flag=True, show_default=False, help="Say nothing but what somebody must see to."
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """How a verb talks."""

    as_json: bool
    log_format: str
    verbose: int
    quiet: bool

    @property
    def verbosity(self) -> int:
        """-1 quiet, 0 normal, 1 and more verbose."""
        return -1 if self.quiet else self.verbose


def output(options: Mapping[str, Any]) -> Output:
    """Make the output settings that the options describe."""
    return Output(
        as_json=options["as_json"],
        log_format=options["log_format"],
        verbose=options["verbose"],
        quiet=options["quiet"],
    )


def target(options: Mapping[str, Any]) -> Target:
    """Say which service the options of SERVICE and CONCURRENCY mean."""
    return Target(
        profile=options["profile"],
        region=options["region"],
        endpoint_url=options["endpoint_url"],
        read_timeout=options["timeout"],
        connections=2 * options["concurrency"] + 8,
    )
