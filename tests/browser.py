"""A page in a real browser, spoken to over Chrome's DevTools protocol.

The websocket client that JupyterLab brings along is enough for that.
"""

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
SECONDS = 90
needed = pytest.mark.skipif(
    BROWSER is None or not find_spec("websocket"),
    reason="no Chromium on this machine: install chromium",
)


class Page:
    """One tab of the browser."""

    def __init__(self, address: str):
        import websocket

        self.socket = websocket.create_connection(address, timeout=20, suppress_origin=True)
        self.count = 0
        self.told: list[dict] = []  # what the browser said without being asked

    def call(self, method: str, **parameters):
        self.count += 1
        self.socket.send(json.dumps({"id": self.count, "method": method, "params": parameters}))
        while (answer := json.loads(self.socket.recv())).get("id") != self.count:
            self.told.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def value(self, expression: str):
        told = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def until(self, expression: str, seconds: float = SECONDS):
        """The value of the expression, once it is true."""
        end = time.monotonic() + seconds
        while not (found := self.value(expression)):
            assert time.monotonic() < end, f"never came: {expression}\n{self.words()[-2000:]}"
            time.sleep(0.2)
        return found

    def words(self) -> str:
        return self.value("document.body.innerText")

    def key(self, name: str, code: int, modifiers: int = 0):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name,
                      windowsVirtualKeyCode=code, modifiers=modifiers)  # fmt: skip

    def click(self, element: str):
        """The left button, in the middle of what the expression finds, once that stands still."""
        place, before = None, ()
        while place != before:  # pictures above it may still be coming
            before = place
            time.sleep(0.2)
            place = self.value(
                f"(() => {{ const e = {element}; e.scrollIntoView({{block: 'center'}});"
                "const r = e.getBoundingClientRect();"
                "return [r.x + r.width / 2, r.y + r.height / 2] })()"
            )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1],
                      button="left", clickCount=1)  # fmt: skip

    def choose_next(self, dropdown: str):
        """Open a drop-down and take the option below; keys alone would move between cells.

        On a busy machine the list may open after the keys: then once more, more slowly.
        """
        chosen = f"{dropdown}.selectedIndex"
        before = self.value(chosen)
        for seconds in (0.5, 1, 2, 4):
            self.click(dropdown)
            time.sleep(seconds)
            self.key("ArrowDown", 40)
            self.key("Enter", 13)
            time.sleep(seconds)
            if self.value(chosen) != before:
                return
            self.key("Escape", 27)
        raise AssertionError(f"the choice does not change: {dropdown}")

    def picture(self) -> bytes:
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])


def answer_of(address: str, seconds: float = SECONDS) -> bytes:
    """What a server says, once it is there."""
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5) as told:
                return told.read()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def opened(folder: Path) -> Iterator[Page]:
    """One empty tab; what the browser keeps lies in `folder`."""
    port = free_port()
    command = [BROWSER, *QUIET, f"--user-data-dir={folder / 'user'}", "--window-size=1280,1600"]
    browser = subprocess.Popen(
        [*command, f"--remote-debugging-port={port}", "about:blank"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        tabs = json.loads(answer_of(f"http://127.0.0.1:{port}/json/list"))
        yield Page(next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page"))
    finally:
        browser.terminate()
        browser.wait(20)
