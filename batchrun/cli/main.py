"""The ``batchrun`` command: its verbs, and the exit code for whatever they raise."""

from __future__ import annotations

import gc
import importlib
import io
import logging
import os
import shlex
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from batchrun import errors
from batchrun.cli import signals, speak
from batchrun.cli.command import HELP, Option
from batchrun.cli.exits import MEANINGS, Exit, exit_code
from batchrun.cli.settings.names import take_file
from batchrun.model.texts.words import counted
from batchrun.version import __version__

#: Each verb and what it does in a few words. Modules are imported only when they are needed.
_VERBS: Final = {
    "run": "Submit what is due, watch to the end; the same command resumes.",
    "check": "Find every error in a manifest without submitting.",
    "plan": "Show what run would do now: new, unchanged, changed; calls and time.",
    "lanes": "Show accounts and regions: credentials, quotas, active runs, what is wrong.",
    "status": "Show how a batch stands, from the ledger alone.",
    "show": "Show one row's whole history.",
    "results": "Write the results, from the ledger alone.",
    "outputs": "List the files that each run made.",
    "logs": "Show the log of a row's run, its failed tasks first.",
    "retry": "Give failed, cancelled, deleted or refused entries another attempt.",
    "cancel": "Stop submitting; cancel active runs.",
    "delete": "Remove ended runs from the service, never from the ledger.",
    "costs": "Estimate what ended runs cost, and what the rest will.",
    "report": "Write a report as one HTML file.",
    "serve": "Show a ledger as a live page, to a browser.",
    "wake": "Prepare a queue that says which runs have ended, and try it.",
    "ledger": "Check a ledger, or rebuild a lost one.",
    "config": "Show each option's value in force, and where it came from.",
    "manifest": "Make a manifest, or convert one.",
    "simulate": "Run a local HealthOmics service, on loopback.",
    "demo": "Show the whole thing in seconds, with no AWS account.",
    "help": "The manual: manifests, retries, cron, permissions, and more.",
}
#: The modules of verbs that have a folder of their own.
_FOLDERS: Final = {"costs": "costs.verb", "manifest": "making.verb"}
#: Verbs that do more than print: their exit code does not depend on whether stdout can be written.
_DOING: Final = frozenset({"run", "retry", "cancel", "delete", "serve", "wake", "simulate", "demo"})
#: Names of verbs in other programs, and verbs below another.
_MEANT: Final = {
    "start": "run", "submit": "run", "launch": "run", "resume": "run", "watch": "run",
    "validate": "check", "lint": "check", "list": "status", "stop": "cancel", "abort": "cancel",
    "make": "manifest init", "init": "manifest init", "new": "manifest init", "template": "manifest init",
    "convert": "manifest convert", "from-s3": "manifest from-s3",
    "rebuild": "ledger rebuild", "copy": "ledger copy", "verify": "ledger verify",
}  # fmt: skip
#: New objects after which Python collects reference cycles; its default is 700. Few cycles arise here, and
#: looking for them took a twelfth of a launch's time.
_LOOKED_THROUGH: Final = 10_000
_HOMELESS: Final = (
    "the working directory was removed, or may not be reached any more; change into one that is there (cd)"
)


class _Verbs(click.Group):
    """Finds verbs by name and imports them when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _VERBS:
            return None
        place = _FOLDERS.get(cmd_name, f"verbs.{cmd_name}")
        command: click.Command = getattr(importlib.import_module(f"batchrun.cli.{place}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Verbs"):
            formatter.write_dl(list(_VERBS.items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code.value), text) for code, text in MEANINGS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb. Raises StorageError if a verb that only prints could not write to stdout."""
        try:
            return super().invoke(ctx)
        except click.exceptions.Exit as end:
            if end.exit_code == Exit.OK and ctx.invoked_subcommand not in _DOING:
                speak.raise_unwritten()
            raise

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name not in _VERBS and not name.startswith("-"):
            cure = speak.hint(name, list(_VERBS), f"the verbs are: {', '.join(_VERBS)}")
            cure = f"did you mean '{_MEANT[name]}'?" if name in _MEANT else cure
            if os.path.isfile(name):  # noqa: PTH113 (a Path raises for impossible names)
                cure = f"for a file, write batchrun check {shlex.quote(speak.printable(name))}"
            ctx.fail(f"there is no verb '{speak.printable(name)}'; {cure}")
        found = super().resolve_command(ctx, args)
        # Help reads no settings file, which may be wrong; completion offers as much as it can.
        is_help = ctx.resilient_parsing or not {*ctx.help_option_names}.isdisjoint(args)
        if found[1] is not None and not is_help:
            take_file(ctx, name, found[1])
        elif found[1] is not None and ctx.resilient_parsing:
            with suppress(click.ClickException, errors.BatchrunError):
                take_file(ctx, name, found[1])
        return found


@click.group(
    cls=_Verbs,
    context_settings=HELP,
    params=[
        Option(["--config"], metavar="FILE", help="Read defaults for options from this TOML file."),
        Option(["--no-config"], is_flag=True, show_default=False, help="Read no settings file."),
    ],
)
@click.version_option(__version__, message="batchrun %(version)s")
def cli(**_options: Any) -> None:
    """Launch many AWS HealthOmics runs from one manifest, each row once, and watch them to the end.

    Start with 'batchrun demo', which needs no AWS account; then 'batchrun check MANIFEST' and 'batchrun run
    MANIFEST'. 'batchrun help' is the manual: 'batchrun help manifest' says how to write one. Every option can
    also be set in the environment, as its help says, and most in batchrun.toml; see 'batchrun help config'.
    """


def main() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    # SIGTERM ends the process as Ctrl-C does: with a message and an exit code.
    signals.default()
    speak.spell_out()
    gc.set_threshold(_LOOKED_THROUGH)
    speak.let_libraries_log(logging.NullHandler())
    try:
        code = _outcome()
        _flush()
        signals.ignore()
    except KeyboardInterrupt:  # the first, while the last words are written
        code = Exit.WORK_LEFT
        signals.ignore()
    # After an interrupt of a text that was executed, such as dataclasses have, 'python -m' ends by SIGINT,
    # with no code, though it was caught: unless another text was executed since.
    exec("")  # noqa: S102
    sys.exit(code)


def _outcome() -> int:
    try:
        try:
            return cli.main(prog_name="batchrun", standalone_mode=False) or Exit.OK
        except OSError as error:
            if _is_of_click(error):
                speak.lose(sys.stdout, error)
            speak.raise_unwritten()
            if _is_homeless():
                raise errors.UsageError(_HOMELESS) from error
            raise
    except BaseException as error:  # noqa: BLE001 (the last line of defence)
        end = _single(error)
        code = _end(end)
        for note in getattr(end, "__notes__", ()) if isinstance(end, errors.InputError) else ():
            speak.complain(note)
        return code


def _is_homeless() -> bool:
    """Return whether the working directory was removed, or cannot be reached any more."""
    try:
        return not Path.cwd().is_dir()
    except OSError:
        return True


def _is_of_click(error: OSError) -> bool:
    """Return whether click could not write help or the version; an unbuffered stream tells that once."""
    *_, (last, _) = traceback.walk_tb(error.__traceback__)
    return last.f_code is click.echo.__code__


def _single(error: BaseException) -> BaseException:
    """Return the error in the exception groups of task groups; one of ours comes before others."""
    while isinstance(error, BaseExceptionGroup):
        ours, _ = error.split(errors.BatchrunError)
        group = ours or error
        if ours is None and len(error.exceptions) > 1:
            break
        error = group.exceptions[0]
    return error


def _end(error: BaseException) -> int:
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case click.ClickException():
            error.show(told := io.StringIO())
            speak.complain(told.getvalue().rstrip("\n"), level="error")
            return Exit.INPUT
        case click.Abort() | KeyboardInterrupt():
            # click has already ended the line with the ^C.
            speak.complain(
                "stopped; nothing is lost" if isinstance(error, click.Abort) else "\nstopped; nothing is lost"
            )
            return Exit.WORK_LEFT
        case SystemExit():  # click's, if the reader of help has closed the pipe
            return Exit.OK
        case errors.ManifestError():
            speak.explain(str(error))
            speak.complain(f"batchrun: {_counted(error)}; nothing was submitted")
            return Exit.INPUT
        case errors.CallError():
            speak.complain(f"batchrun: {error!s}; {_cure(error)}")
            return exit_code(error)
        case errors.BatchrunError() if exit_code(error) is not Exit.DEFECT:
            speak.complain(f"batchrun: {error!s}")
            return exit_code(error)
        case _:
            speak.complain("".join(traceback.format_exception(error)).rstrip(), level="error")
            speak.complain(
                f"batchrun {__version__}: this is a defect of batchrun; nothing that was recorded is lost. "
                "Please report it with the lines above."
            )
            return Exit.DEFECT


def _cure(error: errors.CallError) -> str:
    """Return what to do about a call that failed for good; its message is only what the service said."""
    again = "then run the same command again"
    match error:
        case errors.AccessDeniedError():
            return f"allow {error.operation} ('batchrun help iam' has the whole policy), {again}"
        case errors.CredentialsError(code="RequestTimeTooSkewed"):  # its message says how to set the clock
            return again
        case errors.CredentialsError():
            return f"log in again, or give another --profile, {again}"
        case errors.RefusedError():
            return f"correct what it names, or --region and --endpoint-url, {again}"
        case _:
            return "run the same command again later; if it stays so, check --region and --endpoint-url"


def _counted(error: errors.ManifestError) -> str:
    if all(isinstance(problem, errors.ManifestWarning) for problem in error.problems):
        return f"{counted(error.total, 'warning')}, treated as errors (--strict)"
    return counted(error.total, "problem")


def _flush() -> None:
    """Flush stdout and stderr while errors of a closed pipe can still be handled."""
    for stream in (sys.stdout, sys.stderr):
        speak.write(stream, "")
