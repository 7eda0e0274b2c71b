"""``batchrun serve``: a live page of the ledger, to a browser."""

from __future__ import annotations

import ipaddress
import os
import socket
import stat
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio

from batchrun.api.reading import open_as_soon_as_possible, open_ledger, until_replaced
from batchrun.cli.command import Risk, option, texts, verb
from batchrun.cli.options import LEDGER
from batchrun.cli.signals import heard
from batchrun.cli.speak import complain, printable, say
from batchrun.clock import Clock, SystemClock
from batchrun.errors import UsageError
from batchrun.ledger.place import LedgerPlace
from batchrun.model.texts.foreign import is_this_machine
from batchrun.ports.ledger import Ledger

if TYPE_CHECKING:
    from batchrun.serve.access import Network, Rules, TrustedProxy
    from batchrun.serve.server import Doors

_HOST, _PORT = "127.0.0.1", 8766
_HIGHEST_PORT: Final = 65535
#: The process's niceness: a launch on the same machine goes first.
_GIVES_WAY: Final = 10
#: Fewest characters of a token that cannot be guessed.
_LEAST: Final = 20
#: Characters that are read of a token file, and the most of a token.
_MOST: Final = 4096


#: A file found in the working directory must not set where it listens and whom it lets in.
_option: Final = partial(option, risk=Risk.ADDRESS)
_texts: Final = partial(texts, risk=Risk.ADDRESS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of ``batchrun serve``."""

    bind: str = _option(
        default=f"{_HOST}:{_PORT}",
        metavar="HOST:PORT",
        envvar="BATCHRUN_SERVE_BIND",
        help="Where to listen; port 0 is any free one. Beyond this machine nothing is encrypted.",
    )
    token_file: str | None = _option(
        metavar="FILE",
        envvar="BATCHRUN_SERVE_TOKEN_FILE",
        help="Read the token from a file that only you can read, so that the link outlives a restart.  "
        "[default: a new token at each start]",
    )
    allow_host: tuple[str, ...] = _texts(
        metavar="NAME",
        envvar="BATCHRUN_SERVE_ALLOW_HOST",
        help="A further host name by which people reach this server.",
    )
    trust_header: str | None = _option(
        metavar="NAME",
        envvar="BATCHRUN_SERVE_TRUST_HEADER",
        help="Accept requests without a token if --trusted-proxy sends them with this header, a user's name.",
    )
    trusted_proxy: tuple[str, ...] = _texts(
        metavar="ADDRESS",
        envvar="BATCHRUN_SERVE_TRUSTED_PROXY",
        help="The address, or network, of a proxy that authenticates people; with --trust-header.",
    )
    ledger: str = LEDGER()


@verb(Options, epilog="Read on: 'batchrun help serve'.")
async def serve(options: Options) -> None:
    """Show the ledger as a live page to a browser, until Ctrl-C.

    All batches, each batch's rows and charts, each row's story, as they change. It only reads the ledger,
    beside any launch, and calls nothing. Open the link that it prints: it has a token, without which the page
    cannot be seen, on this machine either.
    """
    from batchrun.serve.server import opened_doors, secret  # noqa: PLC0415 (aiohttp is loaded only where needed)

    host, port = read_bind(options.bind)
    os.nice(_GIVES_WAY)
    token = secret() if options.token_file is None else read_token(options.token_file)
    rules = make_rules(options, host, token, secret())
    clock, doubt = SystemClock(), _Doubt(LedgerPlace(options.ledger))
    with anyio.CancelScope() as scope, heard(lambda _number: scope.cancel()):
        async with AsyncExitStack() as stack:
            async with open_ledger(options.ledger) as ledger:
                doors = await stack.enter_async_context(opened_doors(rules, port))
                await _serve(ledger, doors, clock, doubt, partial(_tell, options, token))
            while True:
                doubt.end()
                async with open_as_soon_as_possible(options.ledger, clock, doubt.say) as ledger:
                    await _serve(ledger, doors, clock, doubt, lambda _url: None)


async def _serve(
    ledger: Ledger, doors: Doors, clock: Clock, doubt: _Doubt, tell: Callable[[str], None]
) -> None:
    """Serve *ledger* until it is replaced, and *tell* the address."""
    from batchrun.serve.live import Outdated  # noqa: PLC0415
    from batchrun.serve.server import serving  # noqa: PLC0415

    outdated = Outdated()

    def say_and_show(reason: str | None) -> None:
        outdated.reason = reason and f"{reason}; what is shown is from before"
        doubt.say(reason)

    async with serving(ledger, doors, clock, outdated=outdated):
        tell(doors.at.url)
        with heard(partial(_let_go, ledger)):
            await until_replaced(doubt.place, ledger, clock, say_and_show)


class _Doubt:
    """Says on stderr why the ledger cannot be read, each reason once, and when it can be again."""

    def __init__(self, place: LedgerPlace) -> None:
        self.place = place
        self.called = printable(str(place))
        self._said: str | None = None

    def end(self) -> None:
        """Say that there is another ledger."""
        self._said = None
        complain(f"batchrun: {self.called} was replaced; it is opened again")

    def say(self, reason: str | None) -> None:
        """Say *reason*, or with None that there is none any more, unless that was said last."""
        if reason == self._said:
            return
        self._said = reason
        complain(
            f"batchrun: {self.called} is there again"
            if reason is None
            else f"batchrun: {printable(reason)}; until it can be read again, what is shown is from before"
        )


def _let_go(ledger: Ledger, _number: int) -> None:
    """Stop waiting for an unreachable database, since nothing is served any more."""
    ledger.hurry(0)


def read_bind(text: str) -> tuple[str, int]:
    """Read HOST:PORT; either part may be left out. Raises UsageError if it is not valid."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = (text, "") if not text.isdigit() else ("", text)
    if port and not (port.isascii() and port.isdigit() and int(port) <= _HIGHEST_PORT):
        raise UsageError(f"--bind {printable(text)}: a port is a number up to {_HIGHEST_PORT}")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise UsageError(f"--bind {printable(text)}: write an IPv6 address in brackets, as in [::1]:{_PORT}")
    return host.strip("[]") or _HOST, int(port) if port else _PORT


def read_token(path: str) -> str:
    """Read a token from a file. Raises UsageError if others can read it, or it has no valid token."""
    name = f"--token-file {printable(path)}"
    try:
        with Path(path).open(encoding="ascii") as file:
            mode = stat.S_IMODE(Path(path).stat().st_mode)
            text = file.read(_MOST + 1).strip()
    except (OSError, UnicodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it holds more than ASCII letters"
        raise UsageError(
            f"{name}: {cause}; make one with: (umask 077; openssl rand -hex 32 > FILE)"
        ) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UsageError(f"{name}: others can read or change it (mode {mode:04o}); chmod 600 it")
    if not _LEAST <= len(text) <= _MOST or not text.isprintable() or " " in text:
        raise UsageError(
            f"{name}: a token is one word of {_LEAST} characters or more; make one with: openssl rand -hex 32"
        )
    return text


def make_rules(options: Options, host: str, token: str, session: str) -> Rules:
    """Return who is let in to a server at *host*. Raises UsageError where options do not fit together."""
    from batchrun.serve.access import Rules  # noqa: PLC0415

    names = {name.lower() for name in options.allow_host}
    if not is_this_machine(host):
        own = {host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()}
        # Other ports of this machine may be other people's.
        names |= {name for name in own if not is_this_machine(name)}
    return Rules(bound=host, token=token, session=session, names=frozenset(names), proxy=_proxy(options))


def _proxy(options: Options) -> TrustedProxy | None:
    from batchrun.serve.access import TrustedProxy  # noqa: PLC0415

    if (options.trust_header is None) != (not options.trusted_proxy):
        raise UsageError("--trust-header and --trusted-proxy go together: anybody can send a header")
    if options.trust_header is None:
        return None
    return TrustedProxy(header=options.trust_header, addresses=tuple(map(_network, options.trusted_proxy)))


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        problem = f"--trusted-proxy {printable(text)}: {printable(str(error))}"
        raise UsageError(f"{problem}; give an address, such as 10.0.0.5, or a network") from error


def _tell(options: Options, token: str, url: str) -> None:
    host, _ = read_bind(options.bind)
    if options.token_file is None:
        say(f"{url}/?token={token}")
    else:
        say(f"{url}/?token=, and then the token in {options.token_file}")
    say(f"shows {printable(str(LedgerPlace(options.ledger)))}, to everyone with this link; Ctrl-C ends it")
    if not is_this_machine(host):
        far = f"batchrun: {printable(host)} can be reached from elsewhere, and nothing is encrypted"
        complain(f"{far}: put a proxy with TLS before it")
