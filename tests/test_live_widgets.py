"""A control in a real JupyterLab, its drop-down changed by real keys in a real browser.

Runs where Chromium and JupyterLab are; spoken to over Chrome's DevTools protocol, for which the
websocket client that JupyterLab brings along is enough.
"""

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib.util import find_spec

import nbformat
import pytest

from mer_utils import paths

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
SECONDS = 90
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: install chromium"),
    pytest.mark.skipif(
        not (find_spec("jupyterlab") and find_spec("websocket")),
        reason="no JupyterLab in this environment: see environment.yml",
    ),
]
CELLS = (
    """import sys
sys.path.insert(0, "tests")
import numpy as np
from made_clips import clip_table, made_views
from mer_utils import widgets""",
    """clips = clip_table()
clips["action_units"] = np.resize(["1+2", "12", "4", "6+12", "1", "4+9"], len(clips))
widgets.region_graphs(clips, made_views(clips).arrays["landmarks"].mean(axis=0))""",
)


class Page:
    """One tab of the browser."""

    def __init__(self, address: str):
        import websocket

        self.socket = websocket.create_connection(address, timeout=20, suppress_origin=True)
        self.count = 0

    def call(self, method: str, **parameters):
        self.count += 1
        self.socket.send(json.dumps({"id": self.count, "method": method, "params": parameters}))
        while (answer := json.loads(self.socket.recv())).get("id") != self.count:
            pass
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
        """The left button, in the middle of what the expression finds."""
        place = self.value(
            f"(() => {{ const e = {element}; e.scrollIntoView({{block: 'center'}});"
            "const r = e.getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2] })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1],
                      button="left", clickCount=1)  # fmt: skip

    def choose_next(self, dropdown: str):
        """Open a drop-down and take the option below; keys alone would move between cells."""
        self.click(dropdown)
        time.sleep(0.5)
        self.key("ArrowDown", 40)
        self.key("Enter", 13)

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


@pytest.fixture
def lab(tmp_path):
    """Address of a JupyterLab of its own, whose kernels import this very package."""
    port, folder = free_port(), tmp_path / "work"
    (folder / "tests").mkdir(parents=True)
    shutil.copy(paths.ROOT / "tests" / "made_clips.py", folder / "tests")
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(text) for text in CELLS],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(book, folder / "live.ipynb")
    quiet = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (tmp_path / "CONFIG" / "labconfig").mkdir(parents=True)
    (tmp_path / "CONFIG" / "labconfig" / "page_config.json").write_text(json.dumps(quiet))
    own = {f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "RUNTIME", "DATA")}
    own |= {"IPYTHONDIR": str(tmp_path / "ipython"), "PYTHONPATH": str(paths.ROOT)}
    own |= {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    own["PATH"] = os.pathsep.join((os.path.dirname(sys.executable), os.environ["PATH"]))
    options = (
        *("--no-browser", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"),
        *("--IdentityProvider.token=", f"--ServerApp.root_dir={folder}", "--allow-root"),
        f"--LabApp.user_settings_dir={tmp_path / 'settings'}",
        f"--LabApp.workspaces_dir={tmp_path / 'workspaces'}",
        "--LabApp.expose_app_in_browser=True",
    )
    with (tmp_path / "lab.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            env=os.environ | own, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            answer_of(f"http://127.0.0.1:{port}/api")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()  # takes its kernels along
            server.wait(20)


@pytest.fixture
def page(tmp_path):
    port = free_port()
    command = [BROWSER, *QUIET, f"--user-data-dir={tmp_path / 'user'}", "--window-size=1280,1600"]
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


def test_a_key_in_a_drop_down_redraws_the_figure_once(lab, page, tmp_path):
    page.call("Emulation.setFocusEmulationEnabled", enabled=True)  # a page that nobody looks at
    page.call("Page.navigate", url=f"{lab}/lab/tree/live.ipynb")
    page.until("document.querySelectorAll('.jp-CodeCell').length >= 2")
    shell = "window.jupyterapp.shell"
    book = f"[...{shell}.widgets('main')].find(each => each.title.label === 'live.ipynb')"
    kernel = f"{book}?.sessionContext?.session?.kernel"
    page.until(f"{kernel}?.connectionStatus === 'connected' && {kernel}.status === 'idle'")
    page.click("document.querySelector('.jp-CodeCell .cm-content')")
    page.until(f"{shell}.currentWidget === {book}")
    page.value("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    figure = "[...document.querySelectorAll('.jp-OutputArea-output img')].map(x => x.src).join()"
    line = "(document.body.innerText.match(/Without the .* folds\\./g) || []).join('|')"
    page.until("document.querySelector('.widget-dropdown select') && " + figure)
    first = page.until(figure), page.until(line)
    assert "Without the 5 clips of left 001 " in first[1] and "|" not in first[1]
    for name in ("left 002", "left 003"):
        page.choose_next("document.querySelector('.widget-dropdown select')")
        page.until(f"{line}.includes('of {name} ')")
        page.until(f"{figure} && {figure} !== {json.dumps(first[0])}")
        assert page.value("document.querySelectorAll('.jp-OutputArea-output img').length") == 1
        assert "|" not in page.value(line)
    assert page.value("document.querySelector('.widget-dropdown select').value") == "left 003"
    assert "Traceback" not in page.words()
    (tmp_path / "live.png").write_bytes(page.picture())
