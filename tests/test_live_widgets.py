"""A control in a real JupyterLab, its drop-down changed by a real mouse and keys in a browser."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec

import browser
import nbformat
import pytest

from mer_utils import paths

pytestmark = [
    browser.needed,
    pytest.mark.skipif(
        not find_spec("jupyterlab"), reason="no JupyterLab in this environment: see environment.yml"
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


@pytest.fixture
def lab(tmp_path):
    """Address of a JupyterLab of its own, whose kernels import this very package."""
    port, folder = browser.free_port(), tmp_path / "work"
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
            browser.answer_of(f"http://127.0.0.1:{port}/api")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()  # takes its kernels along
            server.wait(20)


@pytest.fixture
def page(tmp_path):
    with browser.opened(tmp_path) as tab:
        yield tab


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
