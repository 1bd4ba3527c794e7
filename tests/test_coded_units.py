"""A reader who is told the annotated action units is a reference, and never a system."""

import numpy as np
from made_clips import clip_table
from test_imports import FILES, imported

from mer_utils import systems
from mer_utils.analysis import coded_units
from mer_utils.evaluation import scores

UNITS = {"negative": "4+L7", "positive": "6+R12", "surprise": "1+2"}


def made_clips(subjects=8):
    clips = clip_table(subjects, 6)
    return clips.assign(action_units=clips["label"].map(UNITS))


def test_units_keep_their_side_and_alternatives():
    assert coded_units.units_of("R12+15") == {"12": 1, "12 right": 1, "15": 1}
    assert coded_units.units_of("R6 or L12") == {"6": 1, "6 right": 1, "12": 1, "12 left": 1}
    assert coded_units.units_of("ref(7B)+4") == {"4": 1}
    assert coded_units.units_of("?") == {}


def test_units_that_tell_the_class_are_read_without_an_error():
    rows = coded_units.reader(made_clips())
    assert scores.uf1(rows) == 1 and set(rows["system"]) == {coded_units.READER}


def test_units_that_tell_nothing_are_read_at_chance():
    clips = made_clips()
    told = np.random.default_rng(1).permutation(clips["action_units"])
    assert scores.uf1(coded_units.reader(clips.assign(action_units=told))) < 0.6


def test_a_corpus_without_units_is_left_out_and_a_clip_without_any_is_not():
    clips = made_clips()
    clips.loc[clips["corpus"] == "left", "action_units"] = ""
    clips.loc[clips.index[clips["corpus"] == "right"][0], "action_units"] = "?"
    rows = coded_units.reader(clips)
    assert set(rows["corpus"]) == {"right"} and len(rows) == 24
    assert coded_units.reader(clips.assign(action_units="")).empty


def test_a_label_of_the_left_out_subject_changes_nothing_for_it():
    clips = made_clips()
    one = (clips["corpus"] == "left") & (clips["subject"] == "001")
    other = clips.copy()
    other.loc[one, "label"] = np.roll(clips.loc[one, "label"], 1)
    before, after = (coded_units.reader(table).loc[one, "predicted"] for table in (clips, other))
    assert list(before) == list(after)


def test_no_system_and_no_run_can_know_the_units():
    assert coded_units.READER not in systems.SYSTEMS
    assert not [name for name in FILES if "analysis.coded_units" in imported(name)]
