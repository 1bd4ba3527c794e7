"""Parameters that a notebook may be given by hand, or by papermill: one check, one sentence."""

import sys

import nbformat
import pytest

from mer_utils import paths
from mer_utils.errors import StudyError
from mer_utils.reporting import execution, report

NOTEBOOKS = sorted(paths.NOTEBOOKS.glob("[0-9]*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_checks_every_parameter_that_it_takes(path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])  # an import may add its own folder of packages
    given = execution.parameters(path)
    assert set(given) <= set(report.KINDS)
    report.check(given)
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells]
    (checks,) = [source for source in cells if "report.check(globals())" in source]
    imports, call, _ = checks.partition("report.check(globals())")
    exec(imports + call, dict(given))  # with the names that the notebook imports


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("overrides", '{"epochs": 2}', "with papermill as -y"),
        ("runs", "[{systems: [svm]}]", "with papermill as -f"),
        ("seed", 1.5, "a whole number from 0 up"),
        ("seed", -1, "a whole number from 0 up"),
        ("seed", True, "a whole number"),
        ("smoke", "false", "True or False"),
        ("corpus", 3, "a text"),
        ("data", None, "a text"),
        ("jobs", 0, "above 0"),
        ("jobs", "two", "above 0"),
        ("keep_weights", 1, "True or False"),
    ],
)
def test_a_value_that_would_be_read_as_another_is_refused(name, value, remedy):
    with pytest.raises(StudyError, match=f"parameter {name} = .*{remedy}"):
        report.check({name: value, "of_the_notebook": object()})
