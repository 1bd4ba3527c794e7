"""Prediction rows on disk: what is written is read, and scores come from the file alone."""

import gzip

import numpy as np
import pandas as pd
import pytest

from mer_utils import cli
from mer_utils.corpora import CLASSES
from mer_utils.errors import StudyError
from mer_utils.evaluation import logs, scores, statistics


def made(system: str, right: float, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    label = np.sort(random.choice(CLASSES, 60))
    hit = random.random(60) < right
    predicted = np.where(hit, label, random.choice(CLASSES, 60))
    probabilities = random.dirichlet(np.ones(3), 60)
    return pd.DataFrame(
        {
            "run": system,
            "system": system,
            "seed": 0,
            "selection": "last",
            "corpus": "samm",
            "subject": [f"{number % 12:03d}" for number in range(60)],
            "clip": [f"{number:03d}_1" for number in range(60)],
            "label": label,
            "predicted": predicted,
            **{f"p_{name}": probabilities[:, i] for i, name in enumerate(CLASSES)},
            "epoch": 3,
        }
    )


def test_rows_come_back_and_the_bytes_are_the_same(tmp_path):
    rows = pd.concat([made("one", 0.9, 1), made("two/as_coded", 0.2, 2)], ignore_index=True)
    path = logs.write_rows(rows, tmp_path / "new" / "samm.csv.gz")
    again = logs.read_rows(path)
    assert list(again.columns) == list(rows.columns)
    assert again["subject"].tolist() == rows["subject"].tolist()  # "006" stays text
    pd.testing.assert_frame_equal(statistics.summary(again), statistics.summary(rows))
    first = path.read_bytes()
    assert logs.write_rows(rows, path).read_bytes() == first
    assert [each.name for each in path.parent.iterdir()] == ["samm.csv.gz"]


def test_the_command_line_scores_a_file(tmp_path, capsys):
    rows = pd.concat([made("one", 0.9, 1), made("two", 0.2, 2)], ignore_index=True)
    path = logs.write_rows(rows, tmp_path / "samm.csv.gz")
    assert cli.main(["scores", str(path)]) == 0
    printed = capsys.readouterr().out
    assert f"{scores.uf1(rows[rows['system'] == 'one']):.3f}" in printed
    assert "p Holm" in printed


def test_one_system_has_nothing_to_be_compared_with(tmp_path, capsys):
    path = logs.write_rows(made("one", 0.9, 1), tmp_path / "samm.csv.gz")
    assert cli.main(["scores", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "Empty" not in printed and "One system alone: there is nothing to compare" in printed
    assert cli.main(["scores", str(path), "--classes", "a,b"]) == 2
    assert "names its classes itself: leave out --classes" in capsys.readouterr().err
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(StudyError, match="cannot be read as a csv of prediction rows"):
        logs.read_rows(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"nothing", gzip.compress(b"run,system\na,b\n")],
    ids=["empty", "text", "no rows"],
)
def test_a_file_that_holds_no_rows_is_named(tmp_path, content):
    path = tmp_path / ("rows.csv.gz" if content[:1] == b"\x1f" else "rows.csv")
    path.write_bytes(content)
    with pytest.raises(StudyError, match="rows.csv"):
        logs.read_rows(path)
