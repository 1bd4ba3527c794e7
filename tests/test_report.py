"""Code that a notebook shows, and a notebook that ends early because there is nothing to read."""

import functools

import browser
import nbformat
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from mer_utils import paths
from mer_utils.errors import EndOfNotebook, StudyError
from mer_utils.evaluation import protocol, scores
from mer_utils.reporting import execution, pages, report


@pytest.fixture
def outputs(monkeypatch):
    """What a notebook would keep of all that is displayed."""
    bundles = []

    def keep(data, raw, metadata):
        bundles.append(new_output("display_data", data=data, metadata=metadata))

    monkeypatch.setattr(report, "display", keep)
    return bundles


def page_of(*outputs, **facts):
    words = new_markdown_cell("# Why?\n\n## First part\n\n## Second part")  # contents at the left
    notebook = new_notebook(cells=[words, new_code_cell(outputs=list(outputs))])
    facts = {"name": "x", "notebook": "x", "made": "2026", "seconds": 1.0} | facts
    return pages.page(notebook, pages.Report.of(notebook, "made", **facts))


def test_code_is_shown_with_its_file_and_line(outputs):
    report.source(scores.uf1, EndOfNotebook._render_traceback_)
    text = outputs[0].data["text/plain"]
    for target in (scores.uf1, EndOfNotebook._render_traceback_):
        code = target.__code__
        file = paths.ROOT / code.co_filename
        assert f"{file.relative_to(paths.ROOT).as_posix()}, line {code.co_firstlineno}\n" in text
        first = file.read_text(encoding="utf-8").splitlines()[code.co_firstlineno - 1]
        assert f"\n{first.strip()}\n" in text  # at the left edge, a method too


def test_a_docstring_may_be_left_out(outputs):
    report.source(scores.uf1, docstring=False)
    report.source(functools.lru_cache(scores.uf1))
    without, whole = (bundle.data["text/plain"] for bundle in outputs)
    assert scores.uf1.__doc__.splitlines()[0] in whole
    assert scores.uf1.__doc__.splitlines()[0] not in without
    assert whole.splitlines()[-1] == without.splitlines()[-1]


@pytest.mark.parametrize("target", [len, functools, 3, "text", pytest.fixture])
def test_only_code_of_this_repository_is_shown(target):
    with pytest.raises(StudyError, match="of this repository"):
        report.source(target)


def test_a_page_shows_code_unfolded_and_coloured(outputs):
    report.source(protocol.folds)
    body = page_of(*outputs).partition("<main")[2]
    shown = body.rpartition("</details>")[2]  # below the folded cell
    assert '<div class="highlight source">' in shown and '<span class="k">def</span>' in shown
    assert "mer_utils/evaluation/protocol.py" in shown


@browser.needed
def test_a_hundred_columns_fit_a_laptop_and_scroll_on_a_phone(outputs, tmp_path):
    code = new_output("display_data", data={"text/html": report._coloured("x" * 100)})
    (tmp_path / "x.html").write_text(page_of(code), encoding="utf-8")
    block = "document.querySelector('main .source pre')"
    with browser.opened(tmp_path) as tab:
        tab.call("Page.enable")
        for width, fits in ((1280, True), (390, False)):
            tab.call("Emulation.setDeviceMetricsOverride", width=width, height=900,
                     deviceScaleFactor=1, mobile=not fits)  # fmt: skip
            tab.call("Page.navigate", url=(tmp_path / "x.html").as_uri())
            tab.until(f"document.readyState === 'complete' && !!{block}")
            assert tab.value(f"{block}.scrollWidth <= {block}.clientWidth") is fits
            assert not tab.value("document.documentElement.scrollWidth > innerWidth + 1")


def test_a_notebook_with_nothing_to_read_ends_with_its_answer(tmp_path):
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# Which is best?"),
            new_code_cell(
                "from mer_utils.reporting import report\nreport.stop('No runs: train some first.')"
            ),
            new_markdown_cell("## A part that is about runs"),
            new_code_cell("1 / 0"),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "x", "language": "python"}},
    )
    pages.write(tmp_path / "50_best.ipynb", nbformat.writes(notebook))
    job = execution.Job(
        notebook=str(tmp_path / "50_best.ipynb"),
        name="50_best",
        corpus="made",
        executed=str(tmp_path / "executed"),
        html=str(tmp_path / "html"),
    )
    assert execution.run(job) == execution.STOPPED
    known = pages.load(tmp_path / "html" / "50_best.html")
    assert known.answer == "No runs: train some first." and not known.error
    page = (tmp_path / "html" / "50_best.html").read_text(encoding="utf-8")
    assert "EndOfNotebook" not in page and "A part that is about runs" not in page


def test_jupyterlab_shows_no_traceback_at_the_early_end(capsys):
    shell = InteractiveShell.instance()
    shell.run_cell("from mer_utils.reporting import report\nreport.stop('No runs.')")
    shown = capsys.readouterr()
    assert "Traceback" not in shown.out + shown.err and "ends here" in shown.out + shown.err
    assert issubclass(EndOfNotebook, Exception)


class Study:
    """As much of a declared study as a header reads."""

    name = "smic"

    def __init__(self, clips, runs=("one",)):
        self.table, self.runs = clips, runs

    @property
    def clips(self):
        if self.table is None:
            raise StudyError("a run is on disk on several inputs")
        return self.table


def test_a_header_counts_the_clips_of_a_study_without_its_release(outputs):
    columns = ["corpus", "subject", "clip", "label"]
    clips = pd.DataFrame([("smic", "1", "a", "x"), ("smic", "1", "b", "x")], columns=columns)
    report.header(Study(clips))
    assert outputs[0].metadata["study"]["header"] == {
        "synthetic": False,
        "counts": "SMIC (`smic`): 2 clips of 1 subjects",
    }
    clips.loc[1, "corpus"] = "samm"  # the same number, another person
    report.header(Study(clips))
    assert "2 subjects (SMIC 1 clips of 1" in outputs[1].metadata["study"]["header"]["counts"]
    with pytest.raises(EndOfNotebook):
        report.header(Study(None, runs=()))
    assert "notebook 41" in outputs[2].metadata["study"]["answer"]
    with pytest.raises(StudyError, match="several inputs"):  # a mistake is no quiet end
        report.header(Study(None))
