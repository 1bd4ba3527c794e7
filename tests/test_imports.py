"""Imports point one way, and a machine that only trains needs little."""

import ast
import importlib.metadata
import json
import os
import subprocess
import sys
from functools import cache

import pytest
from made_clips import clip_table, made_views

from mer_utils import environment, paths
from mer_utils.preprocessing import views

PACKAGE = paths.PACKAGE
FILES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path != PACKAGE / "__init__.py"
}
ABOVE = {"systems", "training", "experiments", "preprocessing.views", "preprocessing.faces"}
COMPUTING = {"evaluation.scores", "evaluation.statistics", "experiments", "training"}
TORCH = ("training", "systems", "prediction")


@cache
def imported(name: str) -> frozenset[str]:
    """Every module that a file imports, at its top or inside a function; `mer_utils.` cut off.

    What stands under TYPE_CHECKING is for readers and type checkers: it imports nothing.
    """
    tree = ast.parse(FILES[name].read_text(encoding="utf-8"))
    hidden = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    package = name.split(".") if FILES[name].name == "__init__.py" else name.split(".")[:-1]
    found = set()
    for node in ast.walk(tree):
        if node in hidden:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = ["mer_utils", *package][: len(package) + 2 - node.level] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                found.add(full if full.removeprefix("mer_utils.") in FILES else base)
    return frozenset(module.removeprefix("mer_utils.") for module in found)


def users(library: str) -> set[str]:
    return {
        name
        for name in FILES
        if any(module.partition(".")[0] == library for module in imported(name))
    }


def test_the_reader_of_imports_reads_them():
    assert {"errors", "corpora.table", "systems.inputs"} <= imported("systems")
    assert {"torch", "evaluation.protocol", "systems", "environment"} <= imported("training")
    assert "mer_utils" not in imported("training")


def test_no_module_is_long():
    lines = {name: len(path.read_text("utf-8").splitlines()) for name, path in FILES.items()}
    assert {name: count for name, count in lines.items() if count > 400} == {}
    systems = {name: count for name, count in lines.items() if name.startswith("systems.")}
    assert {name: count for name, count in systems.items() if count > 300} == {}


def test_dlib_only_in_faces():
    assert users("dlib") == {"preprocessing.faces"}


def test_torch_only_where_networks_are():
    assert "training" in users("torch")
    assert {name for name in users("torch") if name.partition(".")[0] not in TORCH} == set()


def test_papermill_only_where_notebooks_are_run():
    assert users("papermill") <= {"reporting.execution", "reporting.driver"}


def test_systems_never_import_each_other():
    papers = {name for name in FILES if "\nTITLE" in FILES[name].read_text(encoding="utf-8")}
    assert len(papers) >= 4
    for name in papers:
        assert imported(name) & papers == set(), name
        assert not imported(name) & ABOVE, name
    for name in FILES:
        if name.startswith("systems.") and name.endswith(("_as_coded", "_control")):
            paper = name.removesuffix("_as_coded").removesuffix("_control")
            assert imported(name) & papers <= {paper}, name
            assert not imported(name) & ABOVE, name


def test_figures_compute_no_score():
    figures = [name for name in FILES if name.startswith("reporting.plots.")]
    assert figures
    for name in figures:
        assert not imported(name) & COMPUTING, name


def test_nothing_imports_a_notebook():
    for name in FILES:
        assert not {module.partition(".")[0] for module in imported(name)} & {"notebooks", "nbs"}


def test_imports_go_round_in_no_circle():
    """Lazy imports count: a circle that works is still two modules that are one."""
    graph = {name: imported(name) & set(FILES) - {name} for name in FILES}
    # a package's __init__ names its own files; that they use one of them is no circle
    graph = {
        name: {to for to in found if not name.startswith(f"{to}.")} for name, found in graph.items()
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for to in sorted(graph[name]):
                visit(to, (*trail, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


ALONE = """
import sys
missing = {"cv2", "dlib", "papermill", "nbformat", "nbconvert", "IPython", "ipywidgets",
           "matplotlib", "seaborn", "skimage", "openpyxl", "safetensors", "geoopt"}

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)

sys.meta_path.insert(0, Absent())
from mer_utils import experiments
from mer_utils.preprocessing import views
given = views.load(sys.argv[1])
for system in ("svm", "ststnet"):
    fields = {"epochs": 1} if system == "ststnet" else {}
    declared = experiments.declare(system, "made", given, **fields)
    assert len(experiments.run(declared, given, jobs=1, device="cpu", progress=False)) == 30
assert not missing & set(sys.modules)
"""


@pytest.mark.slow
def test_training_alone_needs_neither_cameras_nor_notebooks(tmp_path):
    """A GPU machine is given saved views, and has torch, numpy, pandas and scikit-learn."""
    clips = clip_table()
    file = views.save(made_views(clips), tmp_path / "views.npz")
    told = subprocess.run(
        [sys.executable, "-c", ALONE, str(file)],
        env={**os.environ, "MER_DATA": str(tmp_path), "PYTHONPATH": str(paths.ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert len(list((tmp_path / "runs").glob("*.zip"))) == 2


def roots_of(source: str) -> set[str]:
    """First names of all that a source imports from elsewhere."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_every_package_that_is_imported_is_pinned():
    here = (paths.ROOT / folder for folder in ("mer_utils", "tests", "benchmarks"))
    files = [file for folder in here for file in folder.rglob("*.py")]
    sources = [file.read_text(encoding="utf-8") for file in files]
    for notebook in paths.NOTEBOOKS.glob("*.ipynb"):
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        sources += ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    own = {"mer_utils", *(file.stem for file in files)}
    used = set().union(*map(roots_of, sources)) - own - sys.stdlib_module_names
    files = [file for package in environment.packages() for file in installed(package.name)]
    given = {file.parts[0].partition(".")[0] for file in files}
    assert not used - given


def installed(name: str) -> list:
    return importlib.metadata.files(name) or []
