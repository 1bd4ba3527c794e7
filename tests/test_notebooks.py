"""Notebooks keep the house rules, so that they stay readable and run from a fresh kernel."""

import ast
import re

import nbformat
import pytest

from mer_utils import paths
from mer_utils.reporting import execution

NOTEBOOKS = sorted(paths.NOTEBOOKS.glob("*.ipynb"))
METHODS = ["20", "30", "31", "32", "33", "34", "35", "40", "41"]  # and every further system
EXPECTED = ["00", "01", "10", "11", *METHODS, "50", "51", "52", "53", "54", "55", "56", "57"]
EXPECTED += ["60", "90"]
SHARED = {"corpus": "synthetic", "data": "", "seed": 0}
READING_ROWS = {"corpus": "synthetic", "runs": [], "seed": 0}  # and no images
FORBIDDEN = re.compile(r"os\.environ|sys\.path|^\s*%cd|^\s*[!%]\s*pip|^\s*!", re.MULTILINE)


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_every_question_has_its_notebook():
    assert {path.stem[:2] for path in NOTEBOOKS} >= set(EXPECTED)


def test_no_output_is_kept(notebook):
    assert not any(cell.outputs or cell.execution_count for cell in code(notebook))


def test_the_title_is_a_question(notebook):
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    title = first.source.splitlines()[0]
    assert title.startswith("# ") and title.rstrip().endswith("?")


def test_the_last_cell_answers(notebook):
    assert notebook.cells[-1].cell_type == "code"
    assert "report.answer(" in notebook.cells[-1].source


def test_the_first_code_cell_holds_the_parameters(notebook):
    assert "parameters" in code(notebook)[0].metadata.get("tags", [])
    assert sum("parameters" in cell.metadata.get("tags", []) for cell in code(notebook)) == 1


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_parameters_are_literals_and_shared_by_name(path):
    found = execution.parameters(path)
    reads = nbformat.read(path, as_version=4).metadata.get("reads")
    shared = READING_ROWS if reads == "rows" else SHARED
    assert {name: found.get(name) for name in shared} == shared


def test_cells_are_short_and_few(notebook):
    assert len(code(notebook)) <= 25
    parameters, *others = (len(cell.source.splitlines()) for cell in code(notebook))
    assert max(others) <= 15 and parameters <= 16


def test_there_is_more_prose_than_code(notebook):
    assert len(notebook.cells) - len(code(notebook)) >= len(code(notebook))


def test_nothing_is_defined_here(notebook):
    for cell in code(notebook):
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        assert not any(isinstance(node, kinds) for node in ast.walk(ast.parse(cell.source)))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_code_of_a_method_is_on_its_page(path):
    sources = [cell.source for cell in code(nbformat.read(path, as_version=4))]
    shows = any("report.source(" in source for source in sources)
    assert shows or not (path.stem[:2] in METHODS or path.stem.startswith("3"))


def test_no_sentence_grows_from_cell_to_cell(notebook):
    for cell in code(notebook):
        for node in ast.walk(ast.parse(cell.source)):
            assert not isinstance(node, ast.AugAssign) or not isinstance(
                node.value, ast.JoinedStr | ast.Constant
            ), ast.unparse(node)


def test_no_path_and_no_environment_is_touched(notebook):
    for cell in code(notebook):
        assert not FORBIDDEN.search(cell.source), cell.source
        assert "/home/" not in cell.source and "/tmp/" not in cell.source


def test_the_kernel_is_plain_python(notebook):
    assert notebook.metadata["kernelspec"]["name"] == "python3"
