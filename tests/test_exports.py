"""What a report keeps: files that hold what the page shows, and none from a quick look."""

import io
import re
import shutil
import subprocess
from base64 import b64encode
from hashlib import sha256

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from mer_utils import paths, systems
from mer_utils.errors import StudyError
from mer_utils.reporting import driver, execution, exports, pages, report
from mer_utils.reporting.progress import Progress, Step

FRAME = pd.DataFrame(
    {"system": ["mhssa_gcn", "svm", "a & b", "c"], "UF1": [0.61114, 0.71589, None, 0.05]}
)


def drawn():
    fig, axis = plt.subplots(figsize=(2, 2))
    axis.plot([1, 2])
    axis.set_title("UF1 of made_up")
    return fig


def executed(*kept):
    outputs = [new_output("display_data", metadata={"study": {"kept": each}}) for each in kept]
    return new_notebook(cells=[new_code_cell(outputs=outputs), new_markdown_cell("# Why?")])


def written(kept, folder, monkeypatch):
    monkeypatch.setattr(paths, "TABLES", folder)
    monkeypatch.setattr(paths, "FIGURES", folder / "f")
    exports.write(executed(kept), "made")
    return list(exports.files(executed(kept), "made"))


def test_a_table_is_kept_with_all_its_digits_and_as_latex(tmp_path, monkeypatch):
    kept = exports.table(FRAME, "comparison", "All of 3 % & more", 3)
    files = written(kept, tmp_path, monkeypatch)
    assert [path.name for path in files] == ["made_comparison.csv", "made_comparison.tex"]
    pd.testing.assert_frame_equal(pd.read_csv(files[0]), FRAME)
    tex = files[1].read_text()
    assert systems.title("mhssa_gcn") + " & 0.611" in tex and r"a \& b & -- \\" in tex
    assert r"\caption{All of 3 \% \& more}" in tex and r"\toprule" in tex
    long = exports.table(pd.concat([FRAME] * 20), "long", "", 3)["files"][".tex"]
    assert r"\begin{longtable}" in long


def test_no_cell_of_a_table_is_a_formula_of_a_spreadsheet():
    texts = ["=HYPERLINK(1)", "+1+cmd", "-2+3", "@a", "\t=1", "-0.07 to 0.03", "-", "a=b", None]
    frame = pd.DataFrame(
        {"=why": texts, "number": [-0.5] * 9, "count": pd.array([-1] * 8 + [None])}
    )
    csv = exports.table(frame, "made", "", 3)["files"][".csv"]
    again = pd.read_csv(io.StringIO(csv))
    kept = ["-0.07 to 0.03", "-", "a=b"]
    assert list(again["'=why"][:-1]) == [*(f"'{text}" for text in texts[:5]), *kept]
    assert list(again["number"]) == [-0.5] * 9 and csv.splitlines()[1].endswith(",-0.5,-1")


def test_a_figure_is_kept_as_vectors_and_the_same_again(tmp_path, monkeypatch):
    kept = exports.figure(drawn(), "ranking")
    assert exports.figure(drawn(), "ranking") == kept
    svg, pdf = written(kept, tmp_path, monkeypatch)
    assert svg == tmp_path / "f" / "made_ranking.svg" and "UF1 of made_up" in svg.read_text()
    assert pdf.read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("name", ["results", "Two Words", "../up"])
def test_a_name_that_is_no_file_name_is_refused(name):
    with pytest.raises(StudyError, match="cannot be kept as"):
        exports.table(FRAME, name, "", 3)


def test_only_what_is_named_is_kept(monkeypatch):
    shown = []
    monkeypatch.setattr(report, "display", lambda *data, **kept: shown.append(kept["metadata"]))
    report.table(FRAME, "A table")
    report.table(FRAME, "A table", name="kept")
    report.show(drawn(), "A line that rises.")
    report.show(drawn(), "A line that rises.", name="line")
    kept = [each.get("study", {}).get("kept", {}).get("name") for each in shown]
    assert kept == [None, "kept", None, "line"]
    assert shown[3]["image/png"]["alt"] == "A line that rises."


SOURCE = """
import pandas as pd
from mer_utils.reporting import report
report.table(pd.DataFrame({"x": [3.25, 10, 2, None]}), "Numbers", name="numbers")
report.answer("It ran.")
"""


@pytest.mark.parametrize("smoke", [False, True])
def test_the_driver_lays_files_down_and_a_quick_look_none(tmp_path, monkeypatch, smoke):
    cells = [
        new_markdown_cell("# Kept?"),
        new_code_cell("smoke = False", metadata={"tags": ["parameters"]}),
        new_code_cell(SOURCE),
    ]
    made = new_notebook(cells=cells)
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "x", "language": "python"}
    nbformat.write(made, tmp_path / "10_kept.ipynb")
    monkeypatch.setattr(paths, "TABLES", tmp_path / "reports" / "tables")
    job = execution.Job(
        notebook=str(tmp_path / "10_kept.ipynb"),
        name="10_kept",
        corpus="made",
        executed=str(tmp_path / "executed"),
        html=str(tmp_path / "html"),
        parameters={"smoke": smoke},
    )
    steps = [Step(job, "a report", 1.0)]
    assert driver.execute(steps, 1, Progress(steps, 1), "same") == []
    table = tmp_path / "reports" / "tables" / "made_numbers.csv"
    assert table.is_file() != smoke
    if not smoke:
        page = (tmp_path / "html" / "10_kept.html").read_text(encoding="utf-8")
        assert "made_numbers" not in page and "<caption" not in page
        script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)[1]
        assert b64encode(sha256(script.encode()).digest()).decode() in page
        check_sorting(page, tmp_path)


def check_sorting(page, folder):
    """Clicks the head of the table in a browser, where there is one."""
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if browser is None:
        return
    click = "<script>document.querySelector('th button').click()</script></body>"
    page = re.sub(r"<meta http-equiv[^>]*>", "", page).replace("</body>", click)
    (folder / "clicked.html").write_text(page, encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'user'}"]
    told = subprocess.run(
        [browser, *options, "--dump-dom", (folder / "clicked.html").as_uri()],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    values = re.findall(r"<td[^>]*>([^<]*)</td>", told.stdout)
    assert values == ["10.000", "3.250", "2.000", "–"]
    assert 'aria-sort="descending"' in told.stdout


def test_the_index_has_the_script_too():
    assert "Sort by this column" in pages.index([], {}, paths.FIGURES)
