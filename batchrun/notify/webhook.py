"""An HTTPS address that takes the summary, in one of several forms, as the body of a POST.

The address may contain a token, so messages and log lines show only its host.

Belongs here: which addresses are accepted, the POST, and its retries. Does not: the time limit of all of it
(``teller``).
"""

from __future__ import annotations

import enum
import json
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult

from batchrun.errors import NoticeError, UsageError
from batchrun.model.texts.certificates import cure_of_distrust
from batchrun.model.texts.foreign import is_this_machine, shortened, web_address
from batchrun.notify.teller import Channel, Message
from batchrun.version import __version__

if TYPE_CHECKING:
    import aiohttp

    from batchrun.clock import Clock
    from batchrun.model.spec import Json

#: Most characters that Slack accepts in a header, and in a text.
_SLACK_HEADER: Final = 150
_SLACK_TEXT: Final = 3000
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_LONGEST_ENTITY: Final = 5
#: Most lines of a card, and characters of a line: Teams accepts 28 KB.
_CARD_LINES: Final = 60
_CARD_LINE: Final = 250
#: Seconds before each retry.
_WAITS: Final = (1.0, 3.0)
#: Seconds for one POST: an answer takes well under one.
_PATIENCE: Final = 10.0
_TOO_MANY: Final = 429
_OK: Final = range(200, 300)
_ELSEWHERE: Final = range(300, 400)
_THEIR_FAULT: Final = range(500, 600)


class Form(enum.Enum):
    """The form of a webhook's body."""

    JSON = "json"  #: the summary, as given to commands
    SLACK = "slack"
    TEAMS = "teams"

    def body(self, message: Message) -> str:
        """Return the body to post, in ASCII."""
        match self:
            case Form.JSON:
                return message.as_json
            case Form.SLACK:
                return json.dumps(_slack(message))
            case Form.TEAMS:
                return json.dumps(_teams(message))


def _slack(message: Message) -> dict[str, Json]:
    """Return a message of blocks, with a plain text for clients that do not show blocks."""
    title, more = _parted(message)
    head: dict[str, Json] = {"type": "plain_text", "text": shortened(title, _SLACK_HEADER), "emoji": False}
    blocks: list[Json] = [{"type": "header", "text": head}]
    if more:
        told: dict[str, Json] = {"type": "plain_text", "text": _escaped(more), "emoji": False}
        blocks.append({"type": "section", "text": told})
    return {"text": _escaped(title), "mrkdwn": False, "blocks": blocks}


def _escaped(text: str) -> str:
    """Escape what Slack would read as a link or a mention, and cut the text to Slack's limit."""
    told = ""
    for most in (_SLACK_TEXT, _SLACK_TEXT // _LONGEST_ENTITY):
        told = shortened(text, most)
        for character, entity in _ENTITIES.items():
            told = told.replace(character, entity)
        if len(told) <= _SLACK_TEXT:
            break
    return told


def _teams(message: Message) -> dict[str, Json]:
    """Return a card for a webhook of Teams' Workflows; text runs, unlike text blocks, are not Markdown."""
    title, more = _parted(message)
    lines = [line for line in more.splitlines() if line.strip()]
    if lines[_CARD_LINES:]:
        lines = [*lines[:_CARD_LINES], "..."]
    body: list[Json] = [
        _line(title, weight="Bolder", size="Medium"),
        *(_line(line) for line in lines),
    ]
    card: dict[str, Json] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": body,
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "contentUrl": None, "content": card}]}


def _line(text: str, **looks: str) -> dict[str, Json]:
    run: dict[str, Json] = {"type": "TextRun", "text": shortened(text, _CARD_LINE), **looks}
    return {"type": "RichTextBlock", "inlines": [run]}


def _parted(message: Message) -> tuple[str, str]:
    """Return the title, and the text without it."""
    return message.title, message.text.removeprefix(message.title).strip("\n")


class Webhook(Channel):
    """Posts to one address."""

    def __init__(self, url: str, *, clock: Clock, form: Form = Form.JSON) -> None:
        """Create one for *url*, which takes notices in this *form*. Raises UsageError for a wrong URL."""
        parts = _parts(url)
        self._url = url
        self._clock = clock
        self._form = form
        self._is_local = is_this_machine(parts.hostname or "")
        self._host = parts.hostname or ""
        if parts.scheme != "https" and not self._is_local:
            raise UsageError(
                f"--notify-url {parts.scheme}://{self._host}/...: the content must be encrypted on the way; "
                "give an https:// address (http:// is for this machine alone)"
            )

    @property
    def name(self) -> str:
        """The host: the rest may contain a token."""
        return f"--notify-url {self._host}"

    async def deliver(self, message: Message) -> None:
        """Post the summary; retry temporary errors."""
        import aiohttp  # noqa: PLC0415 (takes long to import)

        # A proxy and its password come from the environment; a local address needs none.
        async with aiohttp.ClientSession(
            trust_env=not self._is_local,
            timeout=aiohttp.ClientTimeout(total=_PATIENCE),
            headers={"User-Agent": f"batchrun/{__version__}", "Content-Type": "application/json"},
        ) as session:
            for wait in (*_WAITS, None):
                answer = await self._post(session, self._form.body(message))
                if answer is None:
                    return
                trouble, is_passing = answer
                if wait is None or not is_passing:
                    raise trouble
                await self._clock.sleep(wait)

    async def _post(self, session: aiohttp.ClientSession, body: str) -> tuple[NoticeError, bool] | None:
        """Post once; return the error and whether it is temporary, or None if the post was accepted."""
        import aiohttp  # noqa: PLC0415

        try:
            # No redirects: they lead to an address that the user did not give.
            async with session.post(self._url, data=body, allow_redirects=False) as answer:
                return _judged(answer.status)
        except aiohttp.ClientConnectorCertificateError as error:
            return _untrusted(self._host, error.certificate_error), False
        except (aiohttp.ClientError, OSError) as error:
            # The error's text may contain the address.
            trouble = f"{self._host} cannot be reached: {type(error).__name__}"
            return NoticeError(trouble, cure="check the address and the network"), True


def _untrusted(host: str, doubt: Exception) -> NoticeError:
    code, why = getattr(doubt, "verify_code", 0), getattr(doubt, "verify_message", type(doubt).__name__)
    cure = cure_of_distrust(code, called="address", variable="SSL_CERT_FILE")
    return NoticeError(f"the certificate of {host} is not trusted ({why.rstrip('.')})", cure=cure)


def _judged(status: int) -> tuple[NoticeError, bool] | None:
    if status in _OK:
        return None
    if status in _ELSEWHERE:
        return NoticeError(f"it answers {status}, a redirect", cure="give the address it leads to"), False
    is_passing = status == _TOO_MANY or status in _THEIR_FAULT
    cure = "ask its operator" if is_passing else "check the address and its token"
    return NoticeError(f"it answers {status}", cure=cure), is_passing


def _parts(url: str) -> SplitResult:
    parts = web_address(url)
    if parts is None or any(character.isspace() for character in url):
        raise UsageError("--notify-url: that is not an address; give one such as https://hooks.example.org/x")
    return parts
