"""``batchrun demo``: the whole thing in seconds, with no AWS account."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

import batchrun
from batchrun.cli.options import OUTPUT
from batchrun.cli.signals import run_async
from batchrun.cli.speak import say

if TYPE_CHECKING:
    from batchrun.cli.exits import Exit

#: Nothing of the user's AWS configuration is used, so that the demo is the same everywhere.
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
_ROWS_SHOWN: Final = 10


@click.command(epilog="Read on: 'batchrun help manifest', 'batchrun help simulator'.")
@OUTPUT
@click.pass_context
def demo(context: click.Context, /, **options: Any) -> None:
    """
    Run the shipped cohort of 50 runs against a simulated service, from manifest to results.

    Everything is real but the service: manifest, calls over a socket, ledger, live progress, results.
    """
    for name in _REMOVED:
        os.environ.pop(name, None)
    os.environ.update(_ENVIRONMENT)
    folder = Path(tempfile.mkdtemp(prefix="batchrun-demo-"))
    context.exit(run_async(_demo, folder, options))


async def _demo(folder: Path, options: dict[str, Any]) -> Exit:
    from batchrun.api.one_login import OneLogin  # noqa: PLC0415
    from batchrun.cli.launching.launch import Job, launch  # noqa: PLC0415 (botocore takes half a second to import)
    from batchrun.cli.options import output  # noqa: PLC0415
    from batchrun.cli.showing.table import show_results  # noqa: PLC0415 (rich)
    from batchrun.manifest import Source  # noqa: PLC0415
    from batchrun.model.limits import Changed, Limits  # noqa: PLC0415
    from batchrun.model.pace import AUTO  # noqa: PLC0415
    from batchrun.service.target import Target  # noqa: PLC0415
    from batchrun.simulator import Limit, Settings, serve  # noqa: PLC0415

    manifest = sample("cohort.yaml")
    ledger = folder / "batchrun.db"
    results = folder / "cohort.results.csv"
    simulated = Settings(time_scale=0.002, limits={"StartRun": Limit(rate=10, burst=10)})
    async with serve(simulated) as simulator:
        _say(options, f"$ batchrun run {manifest} --endpoint-url {simulator.url}")
        target = Target(endpoint_url=simulator.url)
        job = Job(
            source=Source(path=str(manifest)),
            target=target,
            login=OneLogin(target),
            ledger=str(ledger),
            results=str(results),
            rate=AUTO,
            read_rate=AUTO,
            limits=Limits(),
            changed=Changed.REFUSE,
            deadline=None,
            credentials_wait=0.0,
            safe_csv=False,
            lease=30.0,
            output=output(options),
        )
        code = await launch(job)
    if not options["as_json"]:
        show_results(results, rows=_ROWS_SHOWN)
    _say(options, f"look around: {shlex.quote(sys.argv[0])} status --ledger {shlex.quote(str(ledger))}")
    return code


def _say(options: dict[str, Any], text: str) -> None:
    if not options["as_json"]:
        say(text)


def sample(name: str) -> Path:
    """Return the path of a shipped manifest: in the package when installed, beside it in a checkout."""
    package = Path(batchrun.__file__).resolve().parent
    installed = package / "manifests" / name
    return installed if installed.exists() else package.parent / "manifests" / name
