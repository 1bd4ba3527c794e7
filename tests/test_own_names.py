"""Two sets of own clips are two corpora, where they are given names."""

import pandas as pd
import pytest

from mer_utils import corpora, paths
from mer_utils.corpora import summary
from mer_utils.errors import StudyError
from mer_utils.evaluation import logs

HEAD = "subject,clip,label,onset,apex,offset,path\n"


@pytest.fixture
def raw(tmp_path, monkeypatch):
    """data/raw with two sets of clips, a folder of two frames for each clip."""
    monkeypatch.setattr(paths, "DATA", tmp_path)
    monkeypatch.setattr(paths, "RAW", tmp_path / "raw")
    monkeypatch.setattr(paths, "SYNTHETIC", tmp_path / "synthetic")
    for name, people in (("own", ("01", "02")), ("own_pilot", ("01", "02", "03"))):
        lines = [f"{person},smile,happy,1,2,3,f/{person}\n" for person in people]
        for person in people:
            frames = tmp_path / "raw" / name / "f" / person
            frames.mkdir(parents=True)
            for number in (1, 2, 3):
                (frames / f"{number}.jpg").write_bytes(b"x")
        (tmp_path / "raw" / name / "clips.csv").write_text(HEAD + "".join(lines))
    return tmp_path / "raw"


def test_two_sets_of_own_clips_never_share_a_name(raw):
    one, two = corpora.load("own-happy,sad"), corpora.load("own_pilot-happy,sad")
    assert (len(one.clips), len(two.clips)) == (2, 3)
    assert (one.name, two.name) == ("own-happy,sad", "own_pilot-happy,sad")
    assert set(one.clips["corpus"]) == {"own"} and set(two.clips["corpus"]) == {"own_pilot"}
    assert not pd.merge(one.clips, two.clips, on=corpora.KEY).size
    assert two.path == raw / "own_pilot" == corpora.default_folder("own_pilot")
    again = corpora.load("own_pilot-happy,sad", raw / "own" / "clips.csv")
    assert set(again.clips["corpus"]) == {"own_pilot"} and again.path == raw / "own"
    rows = two.clips.assign(predicted="happy", system="svm")
    assert not any("is none of this study" in remark for remark in logs.remarks(rows))
    assert corpora.title("own_pilot-happy,sad") == "Your own clips, pilot, happy,sad"


@pytest.mark.parametrize("name", ["own_", "own_Pilot", "own_a b", "own_a:b", "own_" + "x" * 31])
def test_a_name_that_no_file_may_have_is_refused(name):
    with pytest.raises(StudyError, match="write own_ and up to 30 small letters"):
        corpora.load(name)


def test_named_sets_are_listed_as_what_they_are(raw):
    table = summary.census().set_index("corpus")
    assert table.loc["own_pilot", "state"] != summary.OTHER
    assert table.loc["own_pilot", "place"] == "raw/own_pilot"
