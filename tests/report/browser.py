"""
A headless Chromium, spoken to by its DevTools protocol over the websocket that aiohttp has anyway.

Belongs here: opening a page, asking it, and what it complained about. Does not: what a report should show.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import tempfile
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NEEDS_CHROMIUM = [
    pytest.mark.skipif(
        CHROMIUM is None, reason="needs Chromium: apt-get install --no-install-recommends chromium"
    ),
    pytest.mark.real_time,
]
_OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0")


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._last = 0
        self._session: str | None = None
        self._context = ""
        self._events: list[dict[str, Any]] = []
        self.complaints: list[str] = []  #: console errors and warnings, exceptions, what the policy refused
        self.requests: list[str] = []  #: every URL that was asked for

    async def send(self, method: str, **parameters: Any) -> Any:
        """Call the browser, and return its answer."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        await self._socket.send_json(message | ({"sessionId": self._session} if self._session else {}))
        while (answer := await self._receive()).get("id") != self._last:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    async def attach(self) -> None:
        """Make a tab and listen to it."""
        self._context = (await self.send("Target.createBrowserContext"))["browserContextId"]
        target = await self.send("Target.createTarget", url="about:blank", browserContextId=self._context)
        found = await self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = found["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.send(f"{domain}.enable")
        await self.send("Page.setLifecycleEventsEnabled", enabled=True)

    async def detach(self) -> None:
        """Close the tab."""
        self._session = None
        await self.send("Target.disposeBrowserContext", browserContextId=self._context)

    async def open(self, path: Path) -> float:
        """Open the file, wait until it has loaded, and return the milliseconds that this took."""
        return await self.visit(path.as_uri())

    async def visit(self, url: str) -> float:
        """Open an address, as :meth:`open` does a file."""
        self._events.clear()
        loader = (await self.send("Page.navigate", url=url))["loaderId"]
        while not any(_has_loaded(event, loader) for event in self._events):
            await self._receive()
        taken = await self.ask("performance.getEntriesByType('navigation')[0].loadEventStart")
        return float(taken)

    @asynccontextmanager
    async def held_back(self, pattern: str) -> AsyncIterator[None]:
        """Hold requests whose address matches, of which there is one at least, until the context ends."""
        await self.send("Fetch.enable", patterns=[{"urlPattern": pattern}])
        yield
        while not (held := [one for one in self._events if one.get("method") == "Fetch.requestPaused"]):
            await self._receive()
        for one in held:  # one that is held while it is switched off may stay so for ever
            await self.send("Fetch.continueRequest", requestId=one["params"]["requestId"])
        await self.send("Fetch.disable")

    async def ask(self, expression: str) -> Any:
        """Evaluate JavaScript in the page."""
        answer = await self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def look(self, *, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
        """Set the window's size and the scheme that the user prefers."""
        await self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.send("Emulation.setEmulatedMedia", features=features)

    async def shoot(self, **clip: float) -> bytes:
        """Return a PNG of the window, or of the part with this x, y, width, height and scale."""
        part = {"clip": clip, "captureBeyondViewport": True} if clip else {}
        return b64decode((await self.send("Page.captureScreenshot", **part))["data"])

    async def print(self) -> bytes:
        """Return the page as it is printed, as a PDF."""
        return b64decode((await self.send("Page.printToPDF", printBackground=True))["data"])

    async def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = await self._socket.receive_json()
        self._events.append(message)
        facts = message.get("params", {})
        match message.get("method"):
            case "Runtime.exceptionThrown":
                self.complaints.append(str(facts["exceptionDetails"]))
            case "Log.entryAdded" if facts["entry"]["level"] in {"error", "warning"}:
                self.complaints.append(facts["entry"]["text"])
            case "Runtime.consoleAPICalled" if facts["type"] in {"error", "warning", "assert"}:
                self.complaints.append(str(facts["args"]))
            case "Network.requestWillBeSent":
                self.requests.append(facts["request"]["url"])
            case _:
                pass
        return message


def _has_loaded(event: dict[str, Any], loader: str) -> bool:
    """Report whether the event says that this page, and not the one before it, has loaded."""
    facts = event.get("params", {})
    return event.get("method") == "Page.lifecycleEvent" and (facts["loaderId"], facts["name"]) == (
        loader,
        "load",
    )


@contextmanager
def chromium() -> Iterator[str]:
    """Start a browser of our own, with a profile of its own; return the address at which it is spoken to."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [CHROMIUM, *_OPTIONS, f"--user-data-dir={profile}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield _address(process, Path(profile) / "DevToolsActivePort")
        finally:
            process.terminate()
            process.wait()


@asynccontextmanager
async def tab(address: str) -> AsyncIterator[Page]:
    """Open a tab that shares nothing with others but the browser."""
    async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=0) as socket:
        page = Page(socket)
        await page.attach()
        yield page
        await page.detach()


@functools.cache
def _of_this_process() -> str:
    """Start the one browser that all tests of this process share; it ends with it."""
    running = ExitStack()
    atexit.register(running.close)
    return running.enter_context(chromium())


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """A tab in a profile of its own."""
    async with tab(_of_this_process()) as opened:
        yield opened


def _address(process: subprocess.Popen[bytes], told: Path) -> str:
    """Wait until the browser has written its port, and the path on it."""
    while process.poll() is None:
        if told.exists() and len(lines := told.read_text().split()) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.02)
    raise AssertionError("the browser ended before it could be spoken to")
