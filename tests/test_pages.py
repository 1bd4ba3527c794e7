"""Pages hold what data say as text, name no folder of their machine, and never mix two data."""

import argparse
import dataclasses
import re
import subprocess
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from made_clips import clip_table, made_views
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, writes

from mer_utils import paths
from mer_utils.corpora.table import Corpus, exclusion_table
from mer_utils.reporting import driver, exports, pages, report, request
from mer_utils.reporting.execution import Job
from mer_utils.reporting.plots import corpora as corpus_plots
from mer_utils.reporting.plots import htnet as htnet_plots
from mer_utils.reporting.plots import results as result_plots

HOSTILE = ("<a href='x'>a</a>", "<img src=x>", "a & b", 'quoted "so"', "</main><script>1</script>")


@pytest.fixture
def shown(monkeypatch):
    """What a notebook would keep of all that is displayed."""
    outputs = []

    def keep(data, raw, metadata):
        outputs.append(new_output("display_data", data=data, metadata=metadata))

    monkeypatch.setattr(report, "display", keep)
    return outputs


@pytest.fixture
def disk(tmp_path, monkeypatch):
    for name in ("REPORTS", "HTML", "EXECUTED", "TABLES", "FIGURES", "PREDICTIONS", "KEPT"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    return tmp_path


def made(outputs, corpus="made", name="01_corpora"):
    cells = [new_markdown_cell("# Why?"), new_code_cell(outputs=list(outputs))]
    notebook = new_notebook(cells=cells)
    facts = {"name": name, "notebook": name, "made": "2026", "seconds": 1.0}
    return notebook, pages.Report.of(notebook, corpus, **facts)


# --- names from data are text ---------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_from_data_is_text_on_every_page(name, shown):
    frame = pd.DataFrame({"label": [name], "clips": [1]})
    clips = clip_table().assign(label=name, corpus=name)
    header = Corpus(name, paths.ROOT, clips, exclusion_table([]), (name,), (), False)
    report.header(header)
    report.table(frame, f"Clips of {name}")
    report.say(f"The class {name} is rare.")
    fig, axis = plt.subplots()
    axis.plot([0, 1])
    report.show(fig, alt=f"A line of {name}.")
    shown.append(new_output("stream", name="stdout", text=name))
    shown.append(new_output("error", ename="ValueError", evalue=name, traceback=[name]))
    report.answer(f"The class that is wrong most often is {name}.")
    notebook, facts = made(shown)
    results = pd.DataFrame({"system": [name], "selection": ["last"], "seeds": ["0"]})
    for metric in ("UF1", "UAR"):
        results = results.assign(**dict.fromkeys((metric, f"{metric} low", f"{metric} high"), 0.5))
    facts = dataclasses.replace(facts, label=name)
    without = dataclasses.replace(facts, error="", label="")
    index = pages.index([facts, without], {"made": results}, paths.FIGURES)
    for page, least in ((pages.page(notebook, facts), 8), (index, 4)):
        body = BeautifulSoup(page, "html.parser")
        assert body.get_text().count(name) >= least
        assert not [a for a in body.find_all("a") if a.get("href") == "x"]
        assert not body.find("img", src="x") and len(body.find_all("script")) == 1


def test_a_long_name_of_a_class_has_room_in_a_table():
    frame = pd.DataFrame({"label": ["a long name of a class"], "n": [1]})
    body = BeautifulSoup(frame.to_html(index=False), "html.parser")
    pages._tidy_tables(body)
    assert [cell["class"] for cell in body.find_all("td")] == [["words"], ["number"]]


def test_formulas_and_emphasis_of_what_is_said_stay():
    assert "<strong>so</strong>" in pages.said("**so** `a<b` $x<y$")
    assert "<code>a&lt;b</code>" in pages.said("**so** `a<b`") and "<math" in pages.said("$x<y$")
    assert "<sup>5</sup>" in pages.markdown("e<sup>5</sup>")  # of the notebook itself


# --- folders --------------------------------------------------------------------------------------


def test_a_page_names_what_is_in_a_folder_and_not_the_way_to_it(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "DATA", tmp_path / "of_me" / "data")
    own = tmp_path / "elsewhere" / "clips.csv"
    own.parent.mkdir()
    own.write_text("")
    reason = f"no folder 01 in {paths.DATA}/raw/x; {own.parent}/a.avi is empty; {own.parent} too"
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    file = f"{paths.ROOT}/mer_utils/x"
    trace = [f"File {file}", f"\x1b[32m{file}", f"\x1b[1;32m{file}\n{file}", "~/of_me/data/x.csv"]
    outputs = [
        new_output("display_data", data={"text/markdown": reason, "image/png": "aa/tmp/bb"}),
        new_output("stream", text=reason),
        new_output("error", ename="E", evalue=reason, traceback=list(trace)),
    ]
    cell = new_code_cell(f'data = "{own}"')
    notebook = new_notebook(cells=[cell, new_code_cell(outputs=outputs)])
    plain = pages.placeless(notebook).cells[1].outputs
    assert plain[0].data["text/markdown"] == (
        "no folder 01 in raw/x; a.avi is empty; elsewhere too"
    )
    assert plain[0].data["image/png"] == "aa/tmp/bb"
    x = "mer_utils/x"
    assert plain[2].traceback == [f"File {x}", f"\x1b[32m{x}", f"\x1b[1;32m{x}\n{x}", "x.csv"]
    assert str(tmp_path) not in str(plain) and str(tmp_path) in str(notebook)
    facts = {"name": "x", "notebook": "x", "made": "2026", "seconds": 1.0}
    assert str(tmp_path) not in pages.Report.of(notebook, "made", **facts).error
    assert pages.placeless(new_notebook()).cells == []


# --- two lists of pages ---------------------------------------------------------------------------


def test_a_damaged_page_or_table_leaves_the_others_in_the_list(disk):
    reports = disk / "reports"
    for name in ("01_corpora", "02_cut", "03_old"):
        notebook, facts = made([], name=name)
        pages.write(reports / "html" / "made" / f"{name}.html", pages.page(notebook, facts))
    page = reports / "html" / "made" / "02_cut.html"
    page.write_text(page.read_text().replace("{&#34;name", "{&#34;nam&#34;:"))
    old = page.with_name("03_old.html")
    old.write_text(old.read_text().replace("&#34;seconds&#34;", "&#34;hours&#34;"))
    page.with_name("04_empty.html").write_bytes(b"")
    for name, text in (("made", ""), ("other", "a,b\n1,2,3,4\n"), ("third", '"')):
        pages.write(reports / "tables" / f"{name}_results.csv", text)
    index = pages.write_index(reports)
    assert index.name == "all.html" and "1 reports" in index.read_text()
    assert not (reports / "html" / "index.html").exists()


def test_every_page_leads_to_what_a_prediction_cannot_tell(disk):
    notebook, facts = made([])
    folder = disk / "reports" / "html"
    pages.write(folder / "made" / "01_corpora.html", pages.page(notebook, facts))
    for page in (pages.write_index(disk / "reports"), folder / "made" / "01_corpora.html"):
        links = BeautifulSoup(page.read_text(), "html.parser").select("footer a")
        assert [(page.parent / a["href"]).resolve() for a in links] == [folder / "limits.html"]
    limits = BeautifulSoup((folder / "limits.html").read_text(), "html.parser")
    assert limits.h1.text.startswith("What a micro-expression classifier cannot tell")
    said = " ".join(limits.main.text.split())
    for words in ("Article 5(1)(f)", "Article 50(3)", "Annex III, point 1(c)", "Article 9"):
        assert words in said
    assert "no legal advice" in said and "consent" in said and not limits.find_all(src=True)


def test_the_list_in_git_is_of_the_pages_in_git():
    tracked = subprocess.run(
        ["git", "ls-files", "reports/html"], cwd=paths.ROOT, capture_output=True, text=True
    ).stdout.split()
    if not tracked:
        pytest.skip("this is no clone")
    names = {f"reports/html/{name}.html" for name in pages.COMMITTED}
    assert set(tracked) == {"reports/html/index.html", "reports/html/limits.html"} | names
    text = (paths.ROOT / "reports/html/index.html").read_text(encoding="utf-8")
    linked = set(re.findall(r'href="([^"#]+)\.html', text))
    assert linked == {"limits", *pages.COMMITTED}
    for page in names:
        assert pages.index_of(paths.ROOT / page) == "index.html"
    assert pages.index_of(paths.ROOT / "reports/html/own/50_comparison.html") == "all.html"


# --- reports of other data, and of other runs -----------------------------------------------------


def asked(clips, corpus="own", smoke=False):
    options = argparse.Namespace(smoke=smoke)
    return request.Request(options, corpus, [], (), {}, {}, made_views(clips))


def test_reports_of_other_clips_are_removed_and_those_of_other_corpora_stay(disk, capsys):
    clips = clip_table()
    for corpus in ("own", "own_pilot"):
        driver.forget_other_clips(asked(clips, corpus))
        kept = {"kept": {"name": "pairs", "files": {".csv": "a\n"}}}
        outputs = [new_output("display_data", data={}, metadata={"study": kept})]
        notebook, facts = made(outputs, corpus)
        pages.write(paths.EXECUTED / corpus / "50.ipynb", writes(notebook))
        pages.write(paths.EXECUTED / corpus / "51.ipynb", "")
        pages.write(paths.HTML / corpus / "50.html", pages.page(notebook, facts))
        pages.write(paths.TABLES / f"{corpus}_results.csv", "a\n")
        exports.write(notebook, corpus)
    files = {path for path in disk.rglob("*") if path.is_file()}
    driver.forget_other_clips(asked(clips.assign(note="moved", frames="elsewhere")))
    assert {path for path in disk.rglob("*") if path.is_file()} == files
    assert "removed" not in capsys.readouterr().out
    driver.forget_other_clips(asked(clips.iloc[:-1].reset_index(drop=True)))
    gone = files - {path for path in disk.rglob("*") if path.is_file()}
    assert {path.name for path in gone} == {
        *("50.ipynb", "51.ipynb", "50.html", "own_results.csv", "own_pairs.csv")
    }
    assert "1 report of own on other clips" in capsys.readouterr().out


def test_a_page_of_one_run_is_the_same_whatever_other_runs_there_are(tmp_path):
    """Else the second command in a row makes every page of a run again."""
    for stem, remade in ((request.TEMPLATE, False), ("50_comparison", True)):
        notebook = tmp_path / f"{stem}.ipynb"
        notebook.write_text("{}")
        job = Job(str(notebook), stem, "made", str(tmp_path), str(tmp_path), {"seed": 0})
        pages.write(job.page, "a page")
        job.file(".made").write_text(driver._made_from(job, "same", "no run"))
        assert driver.is_made(job, "same", "no run")
        assert driver.is_made(job, "same", "a run") is not remade
        assert not driver.is_made(job, "other", "no run")


def test_a_command_says_how_many_clips_are_left_out_and_why(tmp_path):
    clips = clip_table()
    reasons = [
        f"clips.csv line {n}: onset frame {n} is not in 0{n}/a, which holds 9" for n in "123"
    ]
    reasons += ["clips.csv line 7: path 01/b does not exist: correct it (it starts at the csv)"]
    rows = [("own", "01", f"clip{n}", reason) for n, reason in enumerate(reasons)]
    own = Corpus("own-a b,c", tmp_path, clips, exclusion_table(rows), ("a b", "c"), (), False)
    views = dataclasses.replace(made_views(clips), exclusions=own.exclusions)
    said = request.left_out(views, own, tmp_path / "x y.csv")
    assert said == (
        f"4 of {len(clips) + 4} clips left out (3 onset frame … is not in …; 1 path … does not "
        f"exist); `./run_all.sh corpora 'own-a b,c' '{tmp_path}/x y.csv'` names each"
    )
    more = exclusion_table([*rows, ("own", "02", "clip", "no face was found in frame 3")])
    said = request.left_out(dataclasses.replace(views, exclusions=more), own, None)
    assert "names each but 1, which 01_corpora names too" in said


# --- figures --------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 3, 5, 7])
def test_figures_draw_every_class_and_no_legend_lies_on_the_bars(count, recwarn):
    classes = [f"a class of {n}, with a quite long name" for n in range(count)]
    index = pd.MultiIndex.from_product(
        [["own"], [f"participant_{n:04}" for n in range(20)]], names=["corpus", "subject"]
    )
    table = pd.DataFrame(2, index=index, columns=classes).assign(clips=2 * count)
    rows = index.to_frame(index=False).merge(pd.Series(classes, name="label"), how="cross")
    rows = rows.assign(clip=rows["label"], predicted=rows["label"])
    points = rows[["label"]].assign(x=0.1, y=0.2)
    panel = (points[["x", "y"]].to_numpy(), rows["label"], rows["subject"] == "participant_0001")
    for fig in (
        corpus_plots.clips_per_subject(table, classes),
        result_plots.subjects(rows, classes),
        htnet_plots.embeddings({"a form": panel}, classes),
    ):
        fig.canvas.draw()
        (legend,) = fig.legends
        assert {text.get_text() for text in legend.get_texts()} >= set(classes)
        assert legend.get_window_extent().y0 >= fig.axes[0].get_window_extent().y1
        plt.close(fig)
    assert not [str(each.message) for each in recwarn if "collapsed" in str(each.message)]


def test_signs_that_no_font_has_are_said_below_the_figure(shown, monkeypatch):
    monkeypatch.setitem(plt.rcParams, "font.family", ["DejaVu Sans"])
    for title in ("−1 ordinary é", "愤怒"):
        fig, axis = plt.subplots()
        axis.set_title(title)
        report.show(fig, alt="Two axes without data.")
    said = [output.data["text/markdown"] for output in shown if "text/markdown" in output.data]
    assert len(said) == 1 and "in the order drawn: 愤怒. Install" in said[0]


def test_every_system_has_a_marker_of_its_own():
    from mer_utils import systems

    markers = [module.MARKER for module in systems.SYSTEMS.values()]
    assert len(set(markers)) == len(markers)
