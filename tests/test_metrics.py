"""Scores against scikit-learn, against sums by hand and against the log format of MEGC2019."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_clips import official_clips, prediction_rows
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

from mer_utils import cli
from mer_utils.corpora import CLASSES, official
from mer_utils.errors import StudyError
from mer_utils.evaluation import logs, scores

pairs = st.lists(st.tuples(st.sampled_from(CLASSES), st.sampled_from(CLASSES)), min_size=1)


def rows_of(found) -> pd.DataFrame:
    clips = [(f"s{number % 3}", str(number), *pair) for number, pair in enumerate(found)]
    rows = pd.DataFrame(clips, columns=["subject", "clip", "label", "predicted"])
    return rows.assign(corpus="x")


def by_hand(rows: pd.DataFrame) -> dict[str, float]:
    """Forman and Scholz's definition: counts over all folds first, then one mean over classes."""
    f1, recall, precision = [], [], []
    for name in CLASSES:
        hit = ((rows["label"] == name) & (rows["predicted"] == name)).sum()
        called, true = (rows["predicted"] == name).sum(), (rows["label"] == name).sum()
        f1.append(2 * hit / (called + true) if called + true else 0.0)
        recall.append(hit / true if true else 0.0)
        precision.append(hit / called if called else 0.0)
    return {
        "UF1": np.mean(f1),
        "UAR": np.mean(recall),
        "macro-precision": np.mean(precision),
        "accuracy": (rows["label"] == rows["predicted"]).mean(),
    }


@given(pairs)
def test_scores_are_what_the_counts_say(found):
    rows = rows_of(found)
    assert scores.of(scores.confusion(rows)) == pytest.approx(by_hand(rows))


@given(pairs)
def test_scores_are_scikit_learns_with_the_classes_fixed(found):
    rows = rows_of(found)
    options = {"labels": list(CLASSES), "average": "macro", "zero_division": 0}
    own = scores.of(scores.confusion(rows))
    assert (own["UF1"], own["UAR"]) == (scores.uf1(rows), scores.uar(rows))
    for name, theirs in (
        ("UF1", f1_score),
        ("UAR", recall_score),
        ("macro-precision", precision_score),
    ):
        expected = theirs(rows["label"], rows["predicted"], **options)
        assert own[name] == pytest.approx(expected)
    assert own["accuracy"] == pytest.approx(accuracy_score(rows["label"], rows["predicted"]))


@given(pairs, st.randoms())
def test_scores_do_not_depend_on_the_order_of_rows(found, random):
    rows = rows_of(found)
    random.shuffle(found)
    counts, shuffled = (scores.confusion(each) for each in (rows, rows_of(found)))
    assert counts.tolist() == shuffled.tolist()


def test_majority_on_the_official_counts():
    rows = official_clips().assign(predicted="negative")
    assert scores.uf1(rows) == pytest.approx(0.2408, abs=5e-5)
    assert scores.uar(rows) == pytest.approx(1 / 3)
    assert scores.of(scores.confusion(rows))["accuracy"] == pytest.approx(0.5656, abs=5e-5)


def test_a_published_log_gives_its_published_numbers():
    """STSTNet's own log, CASME II part: UF1 .8382 as printed; the .8686 printed as UAR is not."""
    counts = np.array([[83, 5, 0], [12, 19, 1], [2, 0, 23]])
    rows = rows_of(
        (CLASSES[label], CLASSES[predicted])
        for label, line in enumerate(counts)
        for predicted, count in enumerate(line)
        for _ in range(count)
    )
    assert scores.uf1(rows) == pytest.approx(0.8382, abs=5e-5)
    assert scores.uar(rows) == pytest.approx(0.8190, abs=5e-5)
    assert scores.of(counts)["macro-precision"] == pytest.approx(0.8686, abs=5e-5)


def test_a_table_slices_the_same_predictions():
    clips = official_clips()
    clips["corpus"] = np.where(clips["subject"] < "030", "one", "two")
    rows = prediction_rows(clips)
    table = scores.table(rows).set_index("corpus")
    assert list(table.index) == ["Full", "one", "two"]
    assert table.loc["Full", "clips"] == table["clips"][1:].sum() == 442
    assert table["subjects"].tolist() == [68, 30, 38]
    part = rows[rows["corpus"] == "two"]
    assert table.loc["two", "UF1"] == pytest.approx(scores.uf1(part))


def test_no_rows_and_strange_classes_are_refused():
    rows = rows_of([("negative", "positive")])
    with pytest.raises(StudyError, match="no prediction rows"):
        scores.uf1(rows[:0])
    with pytest.raises(StudyError, match="'joy', which is none of"):
        scores.uar(rows.assign(predicted="joy"))


# --- averages of folds ----------------------------------------------------------------------------


def test_averages_of_folds_by_hand():
    """Subject a: all right, one class.  Subject b: a negative called positive, one positive right.

    Present: a 1; b (0 + 2/3) / 2 = 1/3.  All right is 1: the same here, as positive is the highest
    class that b has.  Absent is 0: a 1/3; b 2/9.
    """
    rows = pd.DataFrame(
        {
            "corpus": "x",
            "subject": ["a", "b", "b"],
            "clip": ["1", "2", "3"],
            "label": ["negative", "negative", "positive"],
            "predicted": ["negative", "positive", "positive"],
        }
    )
    table = scores.fold_means(rows).set_index("rule")["UF1"]
    assert table["pooled (MEGC2019)"] == pytest.approx(4 / 9)  # (2/3 + 2/3 + 0) / 3
    assert table["mean of folds, classes present"] == pytest.approx(2 / 3)
    assert table["mean of folds, all right is 1"] == pytest.approx(2 / 3)
    assert table["mean of folds, absent class is 0"] == pytest.approx((1 / 3 + 2 / 9) / 2)


def test_only_the_rule_of_all_right_forgives_a_missing_class():
    rows = rows_of([("surprise", "surprise")]).assign(subject="a")
    table = scores.fold_means(rows).set_index("rule")
    assert table.loc["mean of folds, all right is 1", "UF1"] == 1
    assert table.loc["mean of folds, absent class is 0", "UF1"] == pytest.approx(1 / 3)


@given(pairs)
def test_averages_of_folds_are_scikit_learns(found):
    """With default labels, with those up to the highest present, and with all of them."""
    rows = rows_of(found)
    folds = [part for _, part in rows.groupby("subject")]
    table = scores.fold_means(rows).set_index("rule")
    for name, metric in (("UF1", f1_score), ("UAR", recall_score)):
        expected = {"present": [], "all right is 1": [], "absent class is 0": []}
        for part in folds:
            true, predicted = (part[each].map(CLASSES.index) for each in ("label", "predicted"))
            labels = {
                "present": sorted({*true, *(predicted if name == "UF1" else ())}),
                "all right is 1": range(max(*true, *predicted) + 1),
                "absent class is 0": range(3),
            }
            for rule, wanted in labels.items():
                options = {"labels": list(wanted), "average": "macro", "zero_division": 0}
                right = rule == "all right is 1" and (true == predicted).all()
                expected[rule].append(1.0 if right else metric(true, predicted, **options))
        for rule, values in expected.items():
            (own,) = table.loc[table.index.str.endswith(rule), name]
            assert own == pytest.approx(np.mean(values))


# --- the log --------------------------------------------------------------------------------------

word = st.text("abcdefgh0123456789_", min_size=1, max_size=8)
tables = st.dictionaries(
    st.tuples(word, word, word),
    st.tuples(st.sampled_from(CLASSES), st.sampled_from(CLASSES)),
    min_size=1,
    max_size=30,
)


@given(found=tables)
def test_a_log_comes_back_as_it_was_written(found, tmp_path_factory):
    rows = pd.DataFrame(
        [(*key, *pair) for key, pair in found.items()],
        columns=["corpus", "subject", "clip", "label", "predicted"],
    )
    path = logs.write_log(rows, tmp_path_factory.mktemp("log") / "log.txt")
    back = logs.read_log(path)
    order = list(rows.columns)
    pd.testing.assert_frame_equal(
        back.sort_values(order, ignore_index=True), rows.sort_values(order, ignore_index=True)
    )


def test_a_log_looks_as_the_challenge_asks(tmp_path):
    rows = rows_of([("positive", "positive"), ("negative", "surprise")])
    rows = rows.assign(corpus="casme2", subject="sub01", clip=["EP02_01f", "EP03_02"])
    text = logs.write_log(rows, tmp_path / "log.txt").read_text()
    assert text == "casme2 sub01\nEP02_01f 1 1\nEP03_02 0 2\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("casme2 sub01\nEP02_01f 1 1\nEP03 0 0 0\n", "line 3: 'EP03 0 0 0' is neither"),
        ("casme2 sub01\nEP02_01f 1\n", "line 1: 'casme2 sub01' holds no clip: lines"),
        ("Epoch 12\ncasme2 sub01\nEP02_01f 1 1\n", "line 1: 'Epoch 12' holds no clip"),
        ("casme2 sub01\nEP02_01f 1 1\nUF1: 0.71\n", "line 3: 'UF1: 0.71' holds no clip"),
        ("smic anna\ns01_ne_01 1 1\n", "line 2: 'anna' is not a subject such as s01"),
        ("casme2 sub01\nEP02_01f 1 " + 5000 * "1", "line 2: .* is neither"),
        ("casme2 sub01\nEP02_01f 1 x\n", "line 2: 'EP02_01f 1 x' is neither"),
        ("EP02_01f 1 1\n", "line 1: a clip before the first"),
        ("casme2 sub01\nEP02_01f 1 3\n", "line 2: class 3 where 0 to 2"),
        ("casme2 sub01\nEP02 1 1\nEP02 1 1\n", "casme2 / sub01 / EP02 twice"),
        ("", "holds no clip"),
        ("casme2 sub01\n", "holds no clip"),
    ],
)
def test_broken_logs_are_refused_by_file_and_line(text, words, tmp_path):
    path = tmp_path / "broken.txt"
    path.write_text(text)
    with pytest.raises(StudyError, match=words) as told:
        logs.read_log(path)
    assert "broken.txt" in str(told.value)


def test_logs_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(StudyError, match="does not exist"):
        logs.read_log(tmp_path / "none.txt")
    with pytest.raises(StudyError, match="is no file"):
        logs.read_log(tmp_path)
    (tmp_path / "bytes.txt").write_bytes(b"casme2 sub01\nEP02\x80 1 1")
    with pytest.raises(StudyError, match=r"bytes\.txt line 2 is not text in UTF-8: save"):
        logs.read_log(tmp_path / "bytes.txt")


def test_one_clip_has_one_key_however_a_log_spells_it(tmp_path):
    texts = (
        "samm 006\n006_1_2 0 0\nsmic s01\ns01_ne_01 0 1\ncasme2 sub02\nEP01_11f 0 0\n",
        "SAMM 6\n6_1_2 0 0\nsmic 1\ns1_ne_1 0 1\ncasme2 2\nEP01_11f 0 0\n",
    )
    read = []
    for number, text in enumerate(texts):
        path = tmp_path / f"{number}.txt"
        path.write_text(text, encoding="utf-16" if number else "utf-8")  # as PowerShell writes it
        read.append(logs.read_log(path))
    assert list(read[1]["clip"])[1] == "s01_ne_01"
    pd.testing.assert_frame_equal(read[0].iloc[1:], read[1].iloc[1:])


def test_a_log_is_compared_with_the_official_list(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(logs.paths, "RAW", tmp_path)
    listed = pd.read_csv(official.TABLE, dtype=str)
    line = listed[(listed["corpus"] == "smic") & (listed["label"] == "positive")].iloc[0]
    path = tmp_path / "log.txt"
    path.write_text(f"smic {line['subject']}\n{line['subject']}_xx_99 1 1\nnowhere 1\na 0 0\n")
    assert cli.main(["scores", str(path)]) == 0
    said = capsys.readouterr().out
    assert "Corpus 'nowhere' is none of this study: its ids are taken as they are." in said
    assert "1 clips where the official MEGC2019 list (smic part) has 164: 164 missing here" in said
    assert (
        f"smic/{line['subject']}: {line['clips']} positive clip(s) of the list are missing" in said
    )
    assert "Intervals and tests need prediction rows" in said


def test_a_log_of_two_runs_is_refused(tmp_path):
    rows = rows_of([("positive", "positive")])
    with pytest.raises(StudyError, match="predicted twice"):
        logs.write_log(pd.concat([rows, rows]), tmp_path / "log.txt")


def test_command_line_prints_full_and_parts(tmp_path, capsys):
    rows = official_clips().assign(predicted="negative")
    path = logs.write_log(rows, tmp_path / "log.txt")
    assert cli.main(["scores", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [
        "corpus", "clips", "subjects", "UF1", "UAR", "accuracy", "macro-precision"
    ]  # fmt: skip
    assert lines[1].split() == ["Full", "442", "68", "0.2408", "0.3333", "0.5656", "0.1885"]
    assert lines[2].split()[0] == "made"


def test_seeds_together_decide_by_their_mean_probability():
    rows = pd.DataFrame({"system": "svm", "selection": "last", "seed": [0, 1, 2]})
    rows = rows.assign(corpus="made", subject="s1", clip="c1", label="positive")
    rows = rows.assign(predicted=["negative", "negative", "positive"])
    rows = rows.assign(
        p_negative=[0.5, 0.5, 0.0], p_positive=[0.4, 0.4, 1.0], p_surprise=[0.1, 0.1, 0]
    )
    joint = scores.averaged(rows)
    assert joint["predicted"].to_list() == ["positive"]  # although two of three say negative
    assert joint["p_positive"].to_list() == pytest.approx([0.6])
