"""Controls in a real JupyterLab, their drop-downs changed by real mouse and keys in a browser."""

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
from mer_utils.systems import title

pytestmark = [
    browser.needed,
    pytest.mark.skipif(
        not find_spec("jupyterlab"), reason="no JupyterLab in this environment: see environment.yml"
    ),
]
SETUP = """import sys
sys.path.insert(0, "tests")
import numpy as np
import pandas as pd
from pathlib import Path
from made_clips import clip_table, made_views, prediction_rows
from mer_utils import experiments, paths
from mer_utils.reporting import widgets
clips = clip_table()
views = made_views(clips)"""
SHOWS = {
    "region_graphs": """units = np.resize(["1+2", "12", "4", "6+12", "1", "4+9"], len(clips))
clips["action_units"] = units
widgets.region_graphs(clips, views.arrays["landmarks"].mean(axis=0))""",
    "ablations": """widgets.ablations(pd.DataFrame({
    "ingredient": ["graph", "class weights"],
    "ablation": ["mhssa_gcn/no_graph", "svm/unbalanced"],
    "question": ["Does it matter?", "Must they be weighted?"],
    "effect": [0.1, -0.02], "low": [0.05, -0.04], "high": [0.15, 0.01],
    "answer": ["it helps", "no difference shown"],
}))""",
    "failures": """rows = prediction_rows(clips[["corpus", "subject", "clip", "label"]], right=0.3)
widgets.failures(rows, views)""",
    "curves": """paths.RUNS = Path("runs")
few = experiments.subset(views, 3)
for system, fields in (("ststnet", {"epochs": 3}), ("svm", {})):
    declared = experiments.declare(system, "made", few, **fields)
    experiments.run(declared, few, jobs=1, device="cpu", progress=False)
widgets.curves(experiments.find(corpus="made").sort_values("system"))""",
}
SHOWS["source"] = """from mer_utils.reporting import report
report.source(report._coloured)
report.display({"text/html": report._coloured("x" * 100)}, raw=True)
rows = prediction_rows(clips[["corpus", "subject", "clip", "label"]], right=0.3)
widgets.failures(rows, views)"""
PICTURES = "[...document.querySelectorAll('.jp-OutputArea-output img')]"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Address of a JupyterLab of its own, whose kernels import this very package."""
    tmp_path = tmp_path_factory.mktemp("lab")
    port, folder = browser.free_port(), tmp_path / "work"
    (folder / "tests").mkdir(parents=True)
    shutil.copy(paths.ROOT / "tests" / "made_clips.py", folder / "tests")
    for name, text in SHOWS.items():
        book = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(each) for each in (SETUP, text)],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        )
        nbformat.write(book, folder / f"{name}.ipynb")
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


def run_notebook(page, lab, name):
    """Open a notebook alone, wait for its kernel, run all cells, wait for the first picture."""
    page.call("Emulation.setFocusEmulationEnabled", enabled=True)  # a page that nobody looks at
    page.call("Page.navigate", url=f"{lab}/lab/tree/{name}.ipynb?reset")
    page.until("document.querySelectorAll('.jp-CodeCell').length >= 2")
    shell = "window.jupyterapp.shell"
    book = f"[...{shell}.widgets('main')].find(each => each.title.label === '{name}.ipynb')"
    kernel = f"{book}?.sessionContext?.session?.kernel"
    page.until(f"{kernel}?.connectionStatus === 'connected' && {kernel}.status === 'idle'")
    page.click("document.querySelector('.jp-CodeCell .cm-content')")
    page.until(f"{shell}.currentWidget === {book}")
    page.value("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.until(f"document.querySelector('.widget-dropdown select') && {PICTURES}.length")


def dropdown(label):
    named = f"each.querySelector('label')?.textContent === '{label}'"
    return (
        f"[...document.querySelectorAll('.widget-dropdown')].find(each => {named})"
        ".querySelector('select')"
    )


def pictures(page):
    return page.value(f"{PICTURES}.map(x => x.src).join()")


def other_pictures(page, before):
    """What is shown once it is not `before` any more."""
    return page.until(
        f"{PICTURES}.length && {PICTURES}.map(x => x.src).join() !== {json.dumps(before)}"
        f" && {PICTURES}.map(x => x.src).join()"
    )


def test_a_key_in_a_drop_down_redraws_the_figure_once(lab, page):
    run_notebook(page, lab, "region_graphs")
    line = "(document.body.innerText.match(/Without the .* folds\\./g) || []).join('|')"
    first = page.until(line)
    assert "Without the 5 clips of left 001 " in first and "|" not in first
    before = pictures(page)
    for name in ("left 002", "left 003"):
        page.choose_next(dropdown("left out"))
        page.until(f"{line}.includes('of {name} ')")
        other_pictures(page, before)
        assert page.value(f"{PICTURES}.length") == 1
        assert "|" not in page.value(line)
    assert page.value(f"{dropdown('left out')}.value") == "left 003"
    assert "Traceback" not in page.words()


def test_an_ingredient_is_chosen_and_its_questions_alone_are_shown(lab, page):
    run_notebook(page, lab, "ablations")
    unbalanced = f"document.body.innerText.includes('{title('svm/unbalanced')}: Must')"
    page.until(unbalanced)
    before = pictures(page)
    page.choose_next(dropdown("show"))
    assert page.value(f"{dropdown('show')}.value") == f"system {title('mhssa_gcn')}"
    other_pictures(page, before)
    page.until(f"!{unbalanced}")
    assert "no graph: Does it matter? it helps (+0.100)" in page.words()
    assert page.value(f"{PICTURES}.length") == 1 and "Traceback" not in page.words()


def test_a_cell_of_the_confusion_is_chosen_and_its_clips_are_offered(lab, page):
    run_notebook(page, lab, "failures")
    offered = f"[...{dropdown('clip')}.options].map(each => each.text).join()"
    before = page.value(offered), pictures(page)
    before_choice = page.value(f"{dropdown('predicted')}.value")
    page.choose_next(dropdown("predicted"))
    assert page.value(f"{dropdown('predicted')}.value") != before_choice
    page.until(f"{offered} !== {json.dumps(before[0])}")
    other_pictures(page, before[1])
    assert "Traceback" not in page.words()


def test_a_run_is_chosen_and_its_training_curves_are_shown(lab, page):
    run_notebook(page, lab, "curves")
    assert page.until(f"{PICTURES}.length === 2")  # scores after every epoch, and losses
    assert page.value(f"{dropdown('run')}.value") == f"{title('ststnet')} (last), seed 0"
    page.choose_next(dropdown("run"))
    page.until("document.body.innerText.includes('it has no epochs')")
    assert page.value(f"{PICTURES}.length") == 0 and "Traceback" not in page.words()


def test_code_of_a_hundred_columns_is_on_one_line_in_both_themes(lab, page):
    page.call("Emulation.setDeviceMetricsOverride", width=1280, height=900, deviceScaleFactor=1,
              mobile=False)  # fmt: skip
    run_notebook(page, lab, "source")
    blocks = "[...document.querySelectorAll('.source pre')]"
    assert page.until(f"{blocks}.length === 2")
    assert page.value(f"{blocks}.every(pre => pre.scrollWidth <= pre.clientWidth)")
    assert page.value(f"{blocks}[1].clientHeight") < 60  # pixels: one line and its margins
    colour = "getComputedStyle(document.querySelector('.source .k')).color"
    light = page.value(colour)
    theme = "'apputils:change-theme', {theme: 'JupyterLab Dark'}"
    page.value(f"void window.jupyterapp.commands.execute({theme})")
    page.until(f"{colour} !== {json.dumps(light)}")
