"""
A headless Chromium, spoken to by its DevTools protocol over the websocket that aiohttp has anyway.

Belongs here: opening a page, asking it, and what it complained about. Does not: what a report should show.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0")


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._last = 0
        self._session: str | None = None
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
        target = await self.send("Target.createTarget", url="about:blank")
        found = await self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = found["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.send(f"{domain}.enable")

    async def open(self, path: Path) -> float:
        """Open the file, wait until it has loaded, and return the milliseconds that this took."""
        self._events.clear()
        await self.send("Page.navigate", url=path.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self._events):
            await self._receive()
        taken = await self.ask("performance.getEntriesByType('navigation')[0].loadEventStart")
        return float(taken)

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


@asynccontextmanager
async def browsing() -> AsyncIterator[Page]:
    """Start a browser of our own, with a profile of its own, and return a tab."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            CHROMIUM,
            *_OPTIONS,
            f"--user-data-dir={profile}",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            address = await _address(process)
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(address, max_msg_size=0) as socket,
            ):
                page = Page(socket)
                await page.attach()
                yield page
                page._session = None
                await page.send("Browser.close")
        finally:
            if process.returncode is None:
                process.terminate()
            await process.communicate()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    while line := (await process.stderr.readline()).decode():
        if "DevTools listening on " in line:
            return line.split("DevTools listening on ")[1].strip()
    raise AssertionError("the browser ended before it could be spoken to")
