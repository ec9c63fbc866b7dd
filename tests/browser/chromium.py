"""Drive a headless Chromium over its debugging pipe: no port, no other library.

The pipe is a pair of inherited file descriptors (3 to the browser, 4 from it), which only POSIX
systems have; elsewhere the browser tests are skipped and counted.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BINARIES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
#: Put the inherited descriptors where Chromium looks for them, then become Chromium.
TRAMPOLINE = """
import os, sys
reads, writes = os.dup(int(sys.argv[1])), os.dup(int(sys.argv[2]))
reads, writes = os.dup2(reads, 103), os.dup2(writes, 104)
os.dup2(103, 3); os.dup2(104, 4); os.close(103); os.close(104)
os.execvp(sys.argv[3], sys.argv[3:])
"""


def find_chromium() -> str | None:
    """Path of a Chromium on this machine that can be driven, if there is one."""
    if sys.platform == "win32":
        return None
    return next((found for name in BINARIES if (found := shutil.which(name))), None)


class Page:
    """One tab: what was said on its console, and a way to ask it questions."""

    def __init__(self, reads: int, writes: int) -> None:
        self._reads, self._writes = reads, writes
        self._buffer = b""
        self._number = 0
        self._session = ""
        self.complaints: list[str] = []
        self.loaded = 0

    def attach(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        answer = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = str(answer["sessionId"])
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def second_tab(self) -> str:
        """Open another tab and go on there; return the name of the first one."""
        first, self._session = self._session, ""
        self.attach()
        self.call("Page.bringToFront")
        return first

    def first_tab(self, name: str) -> None:
        """Close this tab, and go on in the first."""
        self.call("Page.close")
        self._session = name
        self.call("Page.bringToFront")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command and return its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._writes, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, path: Path, *, anchor: str = "") -> None:
        """Open a file from disk, and wait until it has loaded."""
        self.visit(path.as_uri() + anchor)

    def visit(self, address: str) -> None:
        """Open an address, and wait until it has loaded."""
        before = self.loaded
        self.call("Page.navigate", url=address)
        while self.loaded == before:
            self._next()

    def show(self, *, width: int, height: int = 900, scheme: str = "light") -> None:
        """Set the size of the window and the colour scheme of the system."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme_feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[scheme_feature])
        self.wait_for_frames()

    def wait_for_frames(self) -> None:
        """Let the page draw twice: what it hears of a new size or scheme comes with a frame."""
        self.call(
            "Runtime.evaluate",
            expression="new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))",
            awaitPromise=True,
        )

    def ask(self, expression: str) -> Any:
        """Evaluate an expression in the page, and return its value."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """Click in the middle of an element, with the mouse."""
        self.release(self.press(selector))

    def press(self, selector: str) -> tuple[float, float]:
        """Press the mouse's button in the middle of an element; return where that was."""
        x, y = self.ask(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center', inline: 'center'});"
            "const b = e.getBoundingClientRect();"
            "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        self._mouse("mousePressed", (x, y))
        return x, y

    def release(self, spot: tuple[float, float]) -> None:
        """Let the mouse's button go."""
        self._mouse("mouseReleased", spot)

    def _mouse(self, kind: str, spot: tuple[float, float]) -> None:
        x, y = spot
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def type(self, text: str) -> None:
        """Type into whatever has the focus."""
        self.call("Input.insertText", text=text)

    def picture(self, path: Path, *, whole: bool = True) -> None:
        """Write a picture of the page."""
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + 120
        while b"\0" not in self._buffer:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._reads], [], [], max(0.0, left))
            chunk = os.read(self._reads, 1 << 20) if ready else b""
            if not chunk:
                raise TimeoutError("Chromium went away or did not answer within two minutes")
            self._buffer += chunk
        raw, self._buffer = self._buffer.split(b"\0", 1)
        message: dict[str, Any] = json.loads(raw)
        self._note(message)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        method, params = message.get("method"), message.get("params", {})
        if method == "Page.loadEventFired":
            self.loaded += 1
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in {"error", "warning"}:
            self.complaints.append(str(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in {"error", "warning"}:
            self.complaints.append(params["entry"]["text"])


@contextmanager
def chromium(binary: str, profile: Path) -> Iterator[Page]:
    """Start a browser with a profile of its own, and end it."""
    to_browser, writes = os.pipe()
    reads, from_browser = os.pipe()
    command = [sys.executable, "-c", TRAMPOLINE, str(to_browser), str(from_browser), binary]
    process = subprocess.Popen(
        [*command, *FLAGS, f"--user-data-dir={profile}"],
        pass_fds=(to_browser, from_browser),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_browser)
    os.close(from_browser)
    page = Page(reads, writes)
    try:
        page.attach()
        yield page
        page._session = ""
        page.call("Browser.close")
    finally:
        os.close(writes)
        os.close(reads)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
