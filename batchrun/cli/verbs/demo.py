"""``batchrun demo``: the whole thing in seconds, with no AWS account."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import batchrun
from batchrun.cli.command import group, made, verb
from batchrun.cli.exits import Exit
from batchrun.cli.launching.options import LaunchOptions
from batchrun.cli.options import Output
from batchrun.cli.speak import say
from batchrun.cli.verbs.run import job, run

#: The user's configuration is not used, so that the demo is the same everywhere.
_ENVIRONMENT: Final = {
    "AWS_ACCESS_KEY_ID": "demo",
    "AWS_SECRET_ACCESS_KEY": "demo",
    "AWS_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
_REMOVED: Final = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_OMICS",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """The options of ``batchrun demo``."""

    output: Output = group(Output)


@verb(DemoOptions, epilog="Read on: 'batchrun help manifest', 'batchrun help simulator'.")
async def demo(options: DemoOptions) -> Exit:
    """Run the shipped cohort of 50 runs against a simulated service, from manifest to results.

    Everything is real but the service: manifest, calls over a socket, ledger, live progress, results.
    """
    for name in [*_REMOVED, *(name for name in os.environ if name.startswith("BATCHRUN_"))]:
        os.environ.pop(name, None)
    os.environ.update(_ENVIRONMENT)
    from batchrun.cli.launching.launch import launch  # noqa: PLC0415 (botocore takes half a second to import)
    from batchrun.simulator import Limit, Settings, serve  # noqa: PLC0415

    folder = Path(tempfile.mkdtemp(prefix="batchrun-demo-"))
    manifest, ledger, results = sample("cohort.yaml"), folder / "batchrun.db", folder / "cohort.results.csv"
    is_talking = not options.output.as_json
    async with serve(Settings(time_scale=0.002, limits={"StartRun": Limit(rate=10, burst=10)})) as simulator:
        words = [str(manifest), "--endpoint-url", simulator.url]
        if is_talking:
            say(f"$ batchrun run {' '.join(words)}")
        words += ["--ledger", str(ledger), "--results", str(results), "--credentials-wait", "0s"]
        launched = made(LaunchOptions, run.make_context("run", words).params)
        code = await launch(job(replace(launched, output=options.output)))
    if is_talking:
        from batchrun.cli.showing.drawn import first_rows  # noqa: PLC0415 (takes long to import)

        first_rows(results)
        say(f"look around: {shlex.quote(sys.argv[0])} status --ledger {shlex.quote(str(ledger))}")
    return code


def sample(name: str) -> Path:
    """Return the path of a shipped manifest: in the package when installed, beside it in a checkout."""
    package = Path(batchrun.__file__).resolve().parent
    installed = package / "manifests" / name
    return installed if installed.exists() else package.parent / "manifests" / name
