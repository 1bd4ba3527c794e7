"""README's results are those of the committed rows and tables; its links lead somewhere."""

import re
import shlex
import zipfile

import numpy as np
import pandas as pd
import pytest

from mer_utils import options, paths, systems
from mer_utils.corpora import KEY
from mer_utils.errors import StudyError
from mer_utils.evaluation import logs, protocol, scores, statistics
from mer_utils.reporting import readme

PAGES = ("README.md", "CONTRIBUTING.md", "LOG.md", "data/README.md")


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return logs.read_rows(readme.REPORTS / "predictions" / f"{readme.CORPUS}.csv.gz")


@pytest.fixture(scope="module")
def scored(rows) -> pd.DataFrame:
    assert not rows.duplicated(["run", *KEY]).any()
    return statistics.summary(rows).set_index(["system", "selection"])


def test_the_readme_prints_the_committed_results():
    assert readme.printed() == readme.results()


def test_only_what_is_between_the_markers_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(readme, "results", lambda: "new")
    page = tmp_path / "README.md"
    page.write_text(f"above\n{readme.BEGIN}\nold\n{readme.END}\nbelow\n")
    readme.write(page)
    assert page.read_text() == f"above\n{readme.BEGIN}\nnew\n{readme.END}\nbelow\n"
    assert readme.printed(page) == "new"
    page.write_text("no markers")
    with pytest.raises(StudyError, match="lacks"):
        readme.write(page)


def test_every_finding_leads_to_the_table_or_page_that_it_quotes():
    findings = [line for line in readme.printed().splitlines() if line.startswith("* ")]
    assert len(findings) > 5
    for finding in findings:
        links = re.findall(r"\]\(([^)#]+)", finding)
        assert links and all((paths.ROOT / link).is_file() for link in links), finding


def test_the_readme_is_short():
    """The results aside, which have a line for each system."""
    lines = readme.README.read_text(encoding="utf-8").splitlines()
    assert len(lines) - len(readme.printed().splitlines()) <= 135, "say it in CONTRIBUTING.md"


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files_and_sections_that_are_there(name):
    page = paths.ROOT / name
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)\s]+)\)", text)
    for link in links:
        file, _, section = link.partition("#")
        target = (page.parent / file) if file else page
        assert target.exists(), link
        if section:
            titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles]
            assert section in anchors, link


@pytest.mark.parametrize("name", PAGES)
def test_commands_and_files_that_a_page_names_are_there(name):
    text = (paths.ROOT / name).read_text(encoding="utf-8")
    for file in re.findall(r"`((?:mer_utils|tests|notebooks|benchmarks|reports)/[^`*<\s]+)`", text):
        assert "NAME" in file or (paths.ROOT / file).exists(), file
    for line in re.findall(
        r"^ *(?:\./run_all\.sh|python -m mer_utils)((?: .*)?)$", text, re.MULTILINE
    ):
        words = shlex.split(line, comments=True)
        verb = words.pop(0) if words and not words[0].startswith("-") else "run"
        assert verb in (*options.VERBS, "test"), line
        if verb != "test":
            options.parser_of(verb).parse(words)


@pytest.mark.parametrize("corpus", [readme.CORPUS, readme.OTHER])
def test_no_network_is_significantly_better_than_the_svm(corpus):
    """README's first sentences say so, of the table's flow and of the other."""
    fairest = readme._rows(corpus)
    rules = fairest.groupby("system")["selection"].first()
    networks = [name for name in rules.index if systems.neural(systems.SYSTEMS[name])]
    assert len(networks) >= 5
    asked = [((name, rules[name]), ("svm", rules["svm"])) for name in networks]
    pairs = statistics.compare(fairest, asked)
    assert not (pairs["significant"] & (pairs["difference"] > 0)).any()


def test_the_committed_rows_are_those_of_the_committed_runs(rows):
    for key, own in rows.groupby("run"):
        with zipfile.ZipFile(readme.REPORTS / "runs" / readme.CORPUS / f"{key}.zip") as file:
            run = pd.read_csv(file.open("rows.csv"), dtype=logs.TEXT, keep_default_na=False)
        both = own.merge(run, on=KEY, validate="one_to_one")
        assert len(both) == len(own) == len(run)
        assert (both["label_x"] == both["label_y"]).all()
        assert (both["predicted_x"] == both["predicted_y"]).all()


def test_every_committed_run_is_listed_with_its_scores():
    listed = readme.kept("runs")
    files = {path.name for path in (readme.REPORTS / "runs" / readme.CORPUS).glob("*.zip")}
    assert sorted(listed["file"].map(lambda file: file.rpartition("/")[2])) == sorted(files)
    for line in listed.itertuples():
        with zipfile.ZipFile(paths.ROOT / line.file) as file:
            run = pd.read_csv(file.open("rows.csv"), dtype=logs.TEXT, keep_default_na=False)
        own = [scores.uf1(run), scores.uar(run)]
        assert np.abs(np.subtract(own, [line.UF1, line.UAR])).max() < 1e-4


def test_the_committed_table_is_that_of_the_committed_rows(scored):
    table = readme.kept("results").set_index(["system", "selection"])
    assert list(table.index) == list(scored.index) and set(table["preset"]) == {"small"}
    columns = ["UF1", "UF1 low", "UF1 high", "UAR", "UAR low", "UAR high"]
    assert (table[columns] - scored[columns]).abs().max().max() < 1e-4
    assert table[["clips", "subjects", "seeds"]].equals(scored[["clips", "subjects", "seeds"]])


def test_the_committed_comparison_is_that_of_the_committed_rows(scored):
    table = readme.kept("comparison").set_index("name")
    own = scored.set_axis([statistics.label(*pair) for pair in scored.index])
    columns = ["UF1", "UF1 low", "UF1 high", "UAR", "UAR low", "UAR high", "seeds"]
    assert set(table.index) == set(own.index)
    assert (table[columns] - own.loc[table.index, columns]).abs().max().max() < 1e-4


def test_the_committed_pairs_are_those_of_the_committed_rows(rows):
    contenders = protocol.fairest(rows[rows["system"] != "majority"], "system")
    pairs, own = readme.kept("pairs"), statistics.compare(contenders)
    for name in ("system", "against", "difference", "low", "high", "p Holm", "significant"):
        if pairs[name].dtype == float:
            assert (pairs[name] - own[name]).abs().max() < 1e-4
        else:
            assert pairs[name].tolist() == own[name].tolist()
