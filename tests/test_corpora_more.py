"""CAS(ME)^2, CAS(ME)^3, SMIC-E, AFEW, Oulu-CASIA and class folders, written here with their quirks.

Also what all releases share: class schemes, old .xls, full-width characters, and that reading
leaves the raw tree as it was.
"""

import hashlib
import os
import re
import shutil
import struct
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import cv2
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_corpora_releases import (
    CASME2_ROWS,
    SAMM_ROWS,
    _no_errata_of_this_machine,  # noqa: F401  the fixture acts here too
    reasons,
    row,
    write_casme2,
    write_frames,
    write_samm,
    write_smic,
)

from mer_utils import cli, corpora, experiments, paths
from mer_utils.corpora import (
    errata,
    frames,
    official,
    releases,
    sheets,
    summary,
)
from mer_utils.errors import StudyError
from mer_utils.evaluation import protocol
from mer_utils.preprocessing import regions, views


def write_book(file: Path, tabs: dict[str, list[list]]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with pd.ExcelWriter(file) as book:
        for tab, grid in tabs.items():
            pd.DataFrame(grid).to_excel(book, sheet_name=tab, header=False, index=False)
    return file


# --- CAS(ME)^2 ------------------------------------------------------------------------------------

MICRO, MACRO = "micro-expression", "macro-expression"
SQUARED_ROWS = [  # subject number, clip, onset, apex, offset, AUs, group, kind, reported
    [1, "anger1_1", 557, 572, 573, "4", "negative", MICRO, "anger"],
    [1, "happy2_1", 10, 14, 0, "6+12", "positive", MICRO, "happyiness"],  # still on at the end
    [1, "happy2_2", 20, 0, 28, "6+12", "positive", MACRO, "happiness"],
    [2, "disgust1_5", 5, 15, 12, "9", "negative", MICRO, "disgust"],  # apex after offset
    [2, "disgust1_6", 5, 9, 12, "9", "others", MICRO, "helpless"],
    [2, "surprise1_1", 5, 9, 12, "1+2", "Surprise", MICRO, "surprise"],
]
RULE1 = [[15, "s15", 1], [16, "s16", 2]]
RULE2 = [["0401", "anger1"], [502, "happy2"], ["0101", "disgust1"], ["0601", "surprise1"]]


def write_squared(root: Path, rows=SQUARED_ROWS, frames_in="rawpic", name="CAS(ME)^2code_final"):
    aside = [[None, 3, "second, shifted table", 7, 8, 9]] * len(rows)
    table = [[*one, *more] for one, more in zip(rows, aside, strict=True)]
    tabs = {"CASFEcode_final": table, "naming rule1": RULE1, "naming rule2": RULE2}
    write_book(root / f"{name}.xlsx", tabs)
    for film in ("s15/15_0401girlcrashing", "s15/15_0502funnyerrors", "s16/16_0101disgustingteeth"):
        write_frames(
            root / frames_in / film, range(1, 600 if "0401" in film else 40), "img{:03d}.jpg"
        )
    write_frames(root / frames_in / "s16/16_0601shock", range(1, 40), "img{:03d}.jpg")
    return root


def test_casme_squared(tmp_path):
    corpus = corpora.load("casme_squared", write_squared(tmp_path))
    first = row(corpus, "anger1_1")
    assert (first.subject, first.label, first.emotion) == ("s15", "negative", "anger")
    assert (first.onset, first.apex, first.offset, first.fps) == (557, 572, 573, 30.0)
    assert first.frames.endswith("rawpic/s15/15_0401girlcrashing")
    open_end = row(corpus, "happy2_1")
    assert open_end.offset is pd.NA and open_end.apex == 14 and open_end.emotion == "happiness"
    assert open_end.note == "offset 0 in the sheet: still on when the film ends"
    why = reasons(corpus)
    assert why["s16/disgust1_5"] == "apex 15 is after offset 12"
    assert why["s15/happy2_2"] == "a macro-expression: corpus casme_squared_macro reads it"
    assert why["s16/disgust1_6"] == "emotion 'others' has no class in the MEGC2019 mapping"
    assert len(corpus.clips) == 3 and len(corpus.exclusions) == 3
    assert "an unknown version of this sheet: 6 rows, known are 357 (CAS(ME)^2code_final)" in (
        corpus.sources
    )


def test_casme_squared_with_other_classes_apex_and_kind(tmp_path):
    write_squared(tmp_path, frames_in="cropped", name="code_final")
    four = corpora.load("casme_squared", tmp_path, classes=4)
    assert row(four, "disgust1_6").label == "others" and four.classes[0] == "negative"
    middle = corpora.load("casme_squared", tmp_path, apex="midpoint")
    assert (
        row(middle, "disgust1_5").apex == 9 and row(middle, "disgust1_5").apex_source == "midpoint"
    )
    assert reasons(middle)["s15/happy2_1"].startswith("no offset is known")
    macro = corpora.load("casme_squared_macro", tmp_path)
    assert list(macro.clips["clip"]) == ["happy2_2"]
    assert row(macro, "happy2_2").note == "apex 0 in the sheet: not coded"


def test_casme_squared_that_cannot_be_used(tmp_path):
    rows = [
        [9, "anger1_1", 1, 2, 3, "4", "negative", MICRO, "anger"],
        [1, "nothing1_1", 1, 2, 3, "4", "negative", MICRO, "anger"],
        [2, "anger1_1", 1, 2, 3, "4", "negative", MICRO, "anger"],
        [1, "anger1_2", 0, 2, 3, "4", "negative", MICRO, "anger"],
        [1, "anger1_3", 1, 2, 3, "4", "negative", "expression", "anger"],
        [1, "anger1_4", 1, 2, 3, "4", "negative", MICRO, "anger"],
        [1, "anger1_4", 1, 2, 9, "4", "negative", MICRO, "anger"],
    ]
    corpus = corpora.load("casme_squared", write_squared(tmp_path, rows))
    told = list(corpus.exclusions["reason"])
    assert len(corpus.clips) == 0 and len(told) == len(rows)
    for expected in (
        "subject 9 is not in the tab naming rule1",
        "film 'nothing1' is not in the tab naming rule2",
        "no folder of film 0401 (anger1) of subject s16",
        "onset 0 is no frame: they are named from 1",
        "'expression' is neither a micro- nor a macro-expression",
    ):
        assert expected in told
    assert told.count("the sheet names this clip more than once") == 2
    write_book(tmp_path / "CAS(ME)^2code_final.xlsx", {"CASFEcode_final": rows})
    with pytest.raises(StudyError, match="has no tab naming rule1"):
        corpora.load("casme_squared", tmp_path)


# --- CAS(ME)^3 ------------------------------------------------------------------------------------

A_HEAD = ["Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion"]
A_ROWS = [
    ["spNO.1", "a", 355, 360, 370, "R12", 5, "happy"],
    ["spNO.1", "a", 500, 505, 510, "T28+14", 5, "Others"],  # the same film holds two
    ["spNO.3", "J", 498, 501, 505, "4", 5, "disgust"],
    ["spNO.3", "b", 100, 100, 120, "4", 5, "fear"],  # apex = onset, 55 times in the release
    ["spNO.3", "b", 112, 83, 120, "4", 5, "fear"],
    ["spNO.3", "b", 200, 202, 0, "4", 5, "fear"],
    ["spNO.3", "b", 5, 12, 20, "4", 5, "sad"],  # the first frames of most films are missing
    ["spNO.3", "c", 10, 30, 90, "1", 5, "surprise"],
]


def write_casme3(root: Path, rows=A_ROWS, clips=False) -> Path:
    sheet = {"label": [A_HEAD, *rows]}
    write_book(root / "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx", sheet)
    for subject, film, onset, _, offset, *_ in rows:
        if clips:
            folder = root / f"Part_A_ME_clip/frame/{subject}_{film}_{onset}"
            write_frames(folder, range(onset, offset + 1), "{}.jpg")
            write_frames(root / f"Part_A_ME_clip/depth/{folder.name}", [onset], "{}.png")
        else:
            where = root / f"part_A/{subject}/{film.lower()}"
            for number in range(max(onset, 8), offset + 1):
                write_frames(where / "color", [number], "{}.jpg")
            write_frames(where / "depth", [onset], "{}.png")
    return root


@pytest.mark.parametrize("clips", [False, True])
def test_casme3_part_a(tmp_path, clips):
    corpus = corpora.load("casme3", write_casme3(tmp_path, clips=clips))
    kept = ["a_355", "J_498", "c_10"] + ["b_5"] * clips
    assert sorted(corpus.clips["clip"]) == sorted(kept)
    first = row(corpus, "a_355")
    assert (first.subject, first.label, first.emotion) == ("spNO.1", "positive", "happy")
    assert first.frames.endswith("frame/spNO.1_a_355" if clips else "part_A/spNO.1/a/color")
    assert row(corpus, "c_10").note == "longer than two seconds"
    why = reasons(corpus)
    assert why["spNO.1/a_500"] == "emotion 'others' has no class in the MEGC2019 mapping"
    assert why["spNO.3/b_100"].startswith("apex is the onset (100)")
    assert why["spNO.3/b_112"] == "onset 112 is after apex 83"
    assert why["spNO.3/b_200"] == "offset 0: its end was not coded"
    if not clips:
        assert why["spNO.3/b_5"].startswith("onset frame 5 is not in b/color, which holds")
    spotted = corpora.load("casme3", tmp_path, apex="spotted")
    assert {"b_100", "b_112"} <= set(spotted.clips["clip"])
    assert spotted.clips["apex"].isna().all()


@pytest.mark.parametrize(
    ("classes", "labels"),
    [
        (3, {"a_355": "positive", "J_498": "negative"}),
        ("4", {"a_500": "others", "J_498": "negative"}),
        (7, {"a_500": "others", "J_498": "disgust", "a_355": "happy"}),
    ],
)
def test_casme3_classes(tmp_path, classes, labels):
    corpus = corpora.load("casme3", write_casme3(tmp_path), classes=classes)
    assert len(corpus.classes) == int(classes)
    for clip, label in labels.items():
        assert row(corpus, clip).label == label


def test_casme3_folders_without_rows_and_rows_without_folders(tmp_path):
    root = write_casme3(tmp_path, clips=True)
    write_frames(root / "Part_A_ME_clip/frame/spNO.9_a_7", [7, 8], "{}.jpg")
    shutil.rmtree(root / "Part_A_ME_clip/frame/spNO.1_a_355")
    why = reasons(corpora.load("casme3", root))
    assert why["spNO.9/a_7"].startswith("spNO.9_a_7 on disk has no row in cas(me)3_part_A")
    assert why["spNO.1/a_355"].startswith("no folder spNO.1_a_355 in ")


C_ROWS = [
    [1, 1, 10, 20, "4，7", "negative"],
    [1, 2, 30, 44, "12", "positive"],
    [2, 1, 5, 9, "1", "Surprise"],
]


def test_casme3_part_c(tmp_path):
    head = ["sub", "count", "onset", "offset", "au", "emotion"]
    write_book(tmp_path / "CAS(ME)3_part_C_ME.xlsx", {"Sheet1": [head, *C_ROWS]})
    listed = corpora.load("casme3_c", tmp_path)
    assert len(listed.clips) == 3 and listed.views == () and set(listed.clips["frames"]) == {""}
    assert any("no frames found" in sentence for sentence in listed.sources)
    assert row(listed, "1", "1").action_units == "4,7"
    units = regions.parse_action_units(row(listed, "1", "1").action_units).units
    assert [unit.number for unit in units] == [4, 7]
    found = views.compute(listed, (), jobs=1, progress=False)
    with pytest.raises(StudyError, match="which casme3_c has not: choose a corpus of original"):
        experiments.declare("svm", "casme3_c", found)
    write_frames(tmp_path / "part_C/1/a/color", range(8, 50), "{}.jpg")
    for film in "ab":
        write_frames(tmp_path / f"part_C/2/{film}/color", range(50), "{}.jpg")
    corpus = corpora.load("casme3_c", tmp_path)
    assert list(corpus.clips["clip"]) == ["1", "2"] and corpus.views == corpora.FRAME_VIEWS
    assert row(corpus, "2").apex is pd.NA and row(corpus, "2").frames.endswith("1/a/color")
    assert reasons(corpus)["2/1"].startswith("2 films of subject 2 in ")


# --- SMIC-E ---------------------------------------------------------------------------------------

E_HEAD = ["Subject", "Filename", None, "OnsetF", "OffsetF", "Onset2F", "Offset2F", "Onset3F"]
E_HEAD += ["Offset3F", None, "FirstF", "LastF", "TotalMF1", "TotalVL", "Emotion"]


def e_row(subject, film, emotion, *events, first=100):
    pairs = [number for event in events for number in event] + [None] * (6 - 2 * len(events))
    return [subject, film, None, *pairs, None, first, 199, 9, 99, emotion]


def write_smic_e(root: Path) -> Path:
    rows = [
        e_row(1, "s1_ne_01", "negative", (110, 130), (150, 170)),
        e_row(1, "s1_sur_01", "Surprise", (110, 130), (150, 160), (20, 30)),
        e_row(9, "s9_sur_01", "surprise", (110, 130), (150, 160), (150, 160)),
        e_row(9, "s9_ne_03", "negative", (110, 130), first=111),
        e_row(18, "s18_sur_03", "negative", (110, 130)),
        e_row(18, "s18_po_01", "negative", (110, 130)),
        ["Note that the third events", "were added later"] + [None] * 13,
    ]
    folder = root / "SMIC-E_raw image/HS_long/SMIC_HS_E"
    write_book(
        folder.parent / "SMIC-HS-E_annotation.xlsx", {"HS": [E_HEAD, *rows], "VIS": [E_HEAD]}
    )
    for clip in ("s1_ne_01", "s1_sur_01", "s9_sur_01", "s9_ne_03", "s18_sur_03", "s18_po_01"):
        film = f"s{int(clip[1:].split('_')[0]):02d}/{clip}"
        write_frames(folder / film, range(100, 200), "image{:06d}.jpg")
    write_frames(folder.parents[1] / "VIS_long/SMIC-VIS-E/s18/s18_po_01", range(9))
    return root


def test_smic_e(tmp_path):
    corpus = corpora.load("smic_e", write_smic_e(tmp_path))
    assert sorted(corpus.clips["clip"]) == [
        "s01_ne_01",
        "s01_ne_01_event2",
        "s01_sur_01",
        "s01_sur_01_event2",
        "s09_ne_03",
        "s09_sur_01",
        "s09_sur_01_event2",
        "s18_sur_03",
    ]
    second = row(corpus, "s01_ne_01_event2")
    assert (second.onset, second.offset, second.label) == (150, 170, "negative")
    assert second.note == "event 2 of the film s01_ne_01" and second.apex is pd.NA
    mended = row(corpus, "s18_sur_03")
    assert mended.label == "surprise" and mended.note.startswith("erratum: emotion 'negative'")
    why = reasons(corpus)
    assert why["s01/s01_sur_01_event3"] == (
        "onset frame 20 is not in s01/s1_sur_01, which holds 100 frames from 100 to 199: correct "
        "it in errata.csv as data/README.md shows, if the sheet is wrong"
    )
    again = "frames 150 to 160 are those of s09_sur_01_event2 once more"
    assert why["s09/s09_sur_01_event3"] == again
    # the frames are there: the sheet's first frame is the wrong one of the two
    assert row(corpus, "s09_ne_03").note == "the sheet's first frame 111 is after this onset"
    assert why["s18/s18_po_01"] == "the sheet says negative, the name s18_po_01 says positive"
    assert "is not a subject such as s01" in why["Note that the third events/were added later"]
    with pytest.raises(StudyError, match="is the long release SMIC-E"):
        corpora.load("smic", tmp_path / "SMIC-E_raw image/HS_long/SMIC_HS_E")


# --- macro-expressions ----------------------------------------------------------------------------


def write_afew(root: Path) -> Path:
    for part, classes in (("Train_AFEW", "Angry Happy"), ("Val_AFEW", "angry Neutral")):
        for number, name in enumerate(classes.split()):
            folder = root / part / name
            folder.mkdir(parents=True)
            (folder / f"00004628{number}.AVI").write_bytes(b"x")
    (root / "Val_AFEW/Neutral/000000001.avi").write_bytes(b"")
    (root / "Val_AFEW/Sulky").mkdir()
    (root / "Val_AFEW/Sulky/000000002.avi").write_bytes(b"x")
    (root / "Test_AFEW").mkdir()
    (root / "Test_AFEW/000000003.avi").write_bytes(b"x")
    (root / "Train_AFEW/AlignedFaces_LBPTOP_Points").mkdir()
    return root


def test_afew(tmp_path):
    corpus = corpora.load("afew", write_afew(tmp_path))
    assert list(corpus.clips["clip"]) == [
        "train_000046280",
        "train_000046281",
        "val_000046280",
        "val_000046281",
    ]
    assert set(corpus.clips["onset"]) == {1} and corpus.clips["offset"].isna().all()
    assert len(corpus.classes) == 7 and row(corpus, "val_000046281").label == "neutral"
    why = {key.split("/")[1]: reason for key, reason in reasons(corpus).items()}
    assert why["val_000000001"] == "000000001.avi is an empty file: copy it again"
    assert why["val_000000002"].startswith("emotion 'sulky' is not known, the nearest")
    assert why["test_000000003"] == "no label: Test_AFEW has no folder of a class for it"
    assert any(s.endswith("AlignedFaces_LBPTOP_Points") for s in corpus.sources)
    assert official.sentence(corpus).startswith("A complete copy has 1156 clips (angry 197")
    with pytest.raises(StudyError, match="leave-one-subject-out needs two subjects"):
        protocol.check(corpus.clips, corpus.classes)
    with pytest.raises(StudyError, match="holds no folder such as Train_AFEW"):
        corpora.load("afew", tmp_path / "Train_AFEW/Angry")
    assert len(corpora.load("afew", tmp_path / "Val_AFEW").clips) == 2


def write_oulu(root: Path) -> Path:
    for light in ("VL/Strong", "VL/Dark", "NI/Strong"):
        for person in ("P001", "P002"):
            for name in ("Anger", "happiness", "Surprise"):
                write_frames(root / "OriginalImg" / light / person / name, range(12), "{:03d}.jpeg")
    write_frames(root / "OriginalImg/VL/Strong/P002/Angre", range(3), "{:03d}.jpeg")
    write_frames(root / "OriginalImg/VL/Strong/P002/Fear", [7], "{:03d}.jpeg")
    return root


def test_oulu_casia(tmp_path):
    corpus = corpora.load("oulu_casia", write_oulu(tmp_path))
    assert len(corpus.clips) == 6 and list(corpus.clips["subject"].unique()) == ["P001", "P002"]
    clip = row(corpus, "happiness", "P002")
    assert (clip.onset, clip.apex, clip.offset, clip.apex_source) == (0, 11, 11, "release")
    assert clip.frames.endswith("OriginalImg/VL/Strong/P002/happiness")
    why = reasons(corpus)
    assert why["P002/angre"] == "emotion 'angre' is not known, the nearest is 'anger'"
    assert why["P002/fear"] == "Fear holds 1 images: onset and offset need two"
    dark = corpora.load("oulu_casia", tmp_path / "OriginalImg/NI/Strong")
    assert all("NI/Strong" in folder for folder in dark.clips["frames"]) and len(dark.clips) == 6


# --- folders that published systems ask for -------------------------------------------------------


def test_class_folders(tmp_path):
    head = ["Subject", "Filename", "Emotion"]
    names = [
        ["01", "EP02_01f", "x"],
        ["01", "EP03_02", "x"],
        ["02", "EP03_02", "x"],
        ["03", "a", "x"],
    ]
    write_book(tmp_path / "data.xlsx", {"Sheet1": [head, *names]})
    for file in (
        *("positive/EP02_01f.mp4", "negative/EP03_02.mp4", "negative/sub02_EP03_02.mp4"),
        *("surprise/A.AVI", "surprise/nobody.mp4", "others/EP02_01f.mp4"),
    ):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(b"x")
    corpus = corpora.load("class_folders", tmp_path)
    found = {tuple(key) for key in corpus.clips[["subject", "clip", "label"]].to_numpy()}
    assert found == {
        ("01", "EP02_01f", "positive"),
        ("02", "EP03_02", "negative"),
        ("03", "A", "surprise"),
    }
    why = reasons(corpus)
    assert why["/EP03_02"].startswith(
        "data.xlsx gives this name to the subjects 01 and 02: call it"
    )
    assert why["/nobody"] == "data.xlsx has no row for it"
    assert any(s.startswith("not read: ") and s.endswith("others") for s in corpus.sources)
    with pytest.raises(StudyError, match="holds no folder named as a class"):
        corpora.load("class_folders", tmp_path, classes="joy,fear")


@pytest.mark.parametrize("beside", [True, False])
def test_casme2_as_the_graph_systems_want_it(tmp_path, beside):
    """casme2/sub01/<clip>/imgN.jpg with data.xlsx inside, or beside it."""
    root = write_casme2(tmp_path / "casme2", frames_in=".", sheet="data.xlsx")
    if beside:
        shutil.move(root / "data.xlsx", tmp_path / "data.xlsx")
    for path in (root, tmp_path):
        assert len(corpora.load("casme2", path).clips) == 3


@pytest.mark.parametrize("name", ["combined_datasets", "Full_frame_optical_flow", "three_norm"])
def test_flow_folders_of_the_published_systems(tmp_path, name):
    from test_corpora_flow import png, write_flat, write_split

    write_flat(tmp_path)
    if name == "three_norm":
        shutil.rmtree(tmp_path / "STSNet_whole_norm_u_v_os")
        write_split(tmp_path / "three_norm_u_v_os")
    elif name == "Full_frame_optical_flow":
        (tmp_path / "STSNet_whole_norm_u_v_os").rename(tmp_path / name)
    else:
        (tmp_path / name).mkdir()
        (tmp_path / name / "sub01_EP02_01f.png").write_bytes(png())
    corpus = corpora.load("megc2019_flow", tmp_path)
    assert len(corpus.clips) == 5
    assert ("landmarks" in corpus.views) == (name == "combined_datasets")
    with pytest.raises(StudyError, match="apex 'midpoint' needs frames"):
        corpora.load("megc2019_flow", tmp_path, apex="midpoint")


# --- class schemes --------------------------------------------------------------------------------

B2 = {  # corpus: {classes: clips of a complete copy}, as the challenge and the sheets have them
    "casme2": {"3": 145, "5": 246},
    "samm": {"3": 133, "5": 136},
    "smic": {"3": 164},
    "casme3": {"3": 699, "4": 860, "7": 860},
    "casme3_c": {"3": 145, "4": 165},
    "casme_squared": {"3": 38, "4": 57},
    "casme_squared_macro": {"3": 237, "4": 300},
    "afew": {"7": 773 + 383},
    "oulu_casia": {"6": 480},
    "megc2019": {"3": 442},
}


def test_every_scheme_has_the_published_counts():
    for corpus, known in B2.items():
        counts = {one.name: sum(one.counts.values()) for one in corpora.RELEASES[corpus].schemes}
        assert counts == known, corpus
    for release in corpora.RELEASES.values():
        for scheme in release.schemes:
            assert set(scheme.classes) == set(filter(None, scheme.emotions.values()))
            assert not scheme.counts or set(scheme.counts) == set(scheme.classes)


def test_one_entry_is_a_corpus(tmp_path, monkeypatch):
    """The example of CONTRIBUTING.md, as it stands there."""
    text = (paths.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (block,) = (
        part for part in re.findall("```python\n(.+?)```", text, re.S) if "Release(" in part
    )
    names = dict(vars(releases))
    exec(textwrap.dedent(block), names)
    entry = names["LAB"]
    monkeypatch.setitem(corpora.RELEASES, "lab", entry)
    write_frames(tmp_path / "frames/S01/a", range(5, 15), "{}.jpg")
    head = "Subject,Filename,Onset,Apex,Offset,Action Units,Emotion"
    (tmp_path / "coding.csv").write_text(f"{head}\n1,a,5,9,14,4,disgust\n1,b,5,9,14,4,anger\n")
    corpus = corpora.load("lab-midpoint", tmp_path)
    assert row(corpus, "a").label == "negative" and row(corpus, "a").subject == "S01"
    assert len(corpus.exclusions) == 1
    monkeypatch.setattr(paths, "RAW", paths.DATA / "raw")
    monkeypatch.setattr(paths, "SYNTHETIC", paths.DATA / "synthetic")
    census = summary.census().set_index("corpus")
    assert census.loc["lab", "message"] == entry.example
    for field in ("names", "sheet_files", "subject_folder", "title"):
        with pytest.raises(StudyError, match=f"entry 'lab' needs the field {field}"):
            replace(entry, **{field: ""})
    with pytest.raises(StudyError, match="names of entry 'lab' needs one group, the number of the"):
        replace(entry, names=replace(entry.names, pattern="S[0-9]+"))
    with pytest.raises(StudyError, match=r"tuple of headings for clip: write \("):
        replace(entry, fields=entry.fields | {"clip": "Take"})
    with pytest.raises(StudyError, match="'joy' is named twice: leave it in one class"):
        releases.three("gloom joy", "joy", "startle")


def test_the_first_scheme_of_every_micro_release_is_the_same_three():
    for name in set(corpora.CORPORA) - {"afew", "oulu_casia"}:
        assert corpora.RELEASES[name].scheme().classes == corpora.CLASSES


def test_five_classes_of_casme2_keep_what_megc_drops(tmp_path):
    rows = [
        *CASME2_ROWS,
        ["04", "EP12_01f", 261, "/", 321, "4", "disgust"],
        ["05", "EP01_01", 1, 4, 9, "4", "fear"],
    ]
    root = write_casme2(tmp_path, rows)
    five = corpora.load("casme2", root, classes=5)
    assert five.clips["label"].value_counts().to_dict() == {
        "happiness": 1,
        "others": 1,
        "repression": 1,
        "surprise": 1,
        "disgust": 1,
    }
    assert reasons(five) == {
        "sub05/EP01_01": "emotion 'fear' has no class in the 5 classes of CASME II"
    }
    assert official.difference(five).empty
    assert official.sentence(five) == (
        "A complete copy has 246 clips (others 99, disgust 63, happiness 32, repression 27, "
        "surprise 25); this one differs by others -98, disgust -62, happiness -31, "
        "repression -26, surprise -24."
    )
    three = corpora.load("casme2", root)
    assert "EP12_01f" not in set(three.clips["clip"])
    with pytest.raises(StudyError, match=r"casme2 has no scheme of 4 classes: choose 3 \(negative"):
        corpora.load("casme2", root, classes=4)


def test_samm_other_is_others(tmp_path):
    corpus = corpora.load("samm", write_samm(tmp_path, SAMM_ROWS), classes="5")
    assert row(corpus, "007_4_2").label == "others" and row(corpus, "007_4_2").emotion == "other"


def test_a_complete_count_is_said_to_be_complete():
    scheme = corpora.RELEASES["casme3"].scheme(7)
    assert scheme.difference(scheme.counts).startswith("As many clips of each class as a complete")
    assert "others +1" in scheme.difference(scheme.counts | {"others": 162})


def test_the_same_count_of_other_clips_has_another_fingerprint(tmp_path):
    one = corpora.load("casme2", write_casme2(tmp_path / "a"))
    same = corpora.load("casme2", write_casme2(tmp_path / "b", frames_in="Cropped"))
    rows = [[*CASME2_ROWS[0][:1], "EP09_09", *CASME2_ROWS[0][2:]], *CASME2_ROWS[1:]]
    other = corpora.load("casme2", write_casme2(tmp_path / "c", rows))
    assert len(one.clips) == len(other.clips)
    assert official.fingerprint_of(one) == official.fingerprint_of(same)
    assert official.fingerprint_of(one) != official.fingerprint_of(other)


# --- sheets ---------------------------------------------------------------------------------------


def xls(rows: list[list]) -> bytes:
    """The oldest .xls there is (BIFF2), which is a few records long and which xlrd reads."""
    out = struct.pack("<HHHH", 0x0009, 4, 7, 0x0010)
    for r, cells in enumerate(rows):
        for c, cell in enumerate(cells):
            place = struct.pack("<HH", r, c) + b"\0\0\0"
            if isinstance(cell, int | float):
                out += struct.pack("<HH", 0x0003, 15) + place + struct.pack("<d", cell)
            elif cell:
                text = cell.encode("latin-1")
                body = place + bytes([len(text)]) + text
                out += struct.pack("<HH", 0x0004, len(body)) + body
    return out + struct.pack("<HH", 0x000A, 0)


def test_old_xls_is_read_where_there_is_no_newer_form(tmp_path):
    root = write_casme2(tmp_path)
    sheet = pd.read_excel(root / "CASME2-coding-20140508.xlsx", header=None, dtype=object)
    cells = [[None if pd.isna(cell) else cell for cell in one] for one in sheet.to_numpy()]
    cells[1][4] = 60  # tell the two apart
    (root / "CASME2_label_Ver_2.xls").write_bytes(xls(cells))
    assert row(corpora.load("casme2", root), "EP02_01f").apex == 59
    (root / "CASME2-coding-20140508.xlsx").unlink()
    corpus = corpora.load("casme2", root)
    assert len(corpus.clips) == 3 and row(corpus, "EP02_01f").apex == 60
    assert corpus.sources[0].startswith("sheet CASME2_label_Ver_2.xls")


def test_a_new_workbook_under_an_old_name(tmp_path):
    root = write_casme2(tmp_path)
    (root / "CASME2-coding-20140508.xlsx").rename(root / "CASME2_label_Ver_2.xls")
    assert len(corpora.load("casme2", root).clips) == 3


def test_old_xls_without_its_reader_says_what_to_do(tmp_path, monkeypatch):
    file = tmp_path / "CASME2_label_Ver_2.xls"
    file.write_bytes(xls([["Subject"]]))

    monkeypatch.setitem(sys.modules, "xlrd", None)
    with pytest.raises(StudyError, match="needs the package xlrd: install it"):
        sheets.grids(file)


def test_full_width_characters_of_chinese_keyboards(tmp_path):
    rows = [["０１", "EP02_01f", "４６", 59, 86, "4，7、12", "happiness　"]]
    root = write_casme2(tmp_path, CASME2_ROWS[:1])
    columns = ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units"]
    write_book(
        root / "CASME2-coding-20140508.xlsx", {"Sheet1": [[*columns, "Estimated Emotion"], *rows]}
    )
    clip = row(corpora.load("casme2", root), "EP02_01f")
    assert clip.onset == 46 and clip.emotion == "happiness"
    units = regions.parse_action_units(clip.action_units).units
    assert [unit.number for unit in units] == [4, 7, 12]


@pytest.mark.parametrize(("rows", "told"), [(255, "as many rows as the public"), (4, "unknown")])
def test_a_sheet_tells_its_version_by_its_rows(tmp_path, rows, told):
    more = [["26", f"EP99_{n}", 1, 2, 3, "4", "others"] for n in range(rows - len(CASME2_ROWS))]
    root = write_casme2(tmp_path, CASME2_ROWS)
    columns = ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units"]
    grid = [[*columns, "Estimated Emotion"], *CASME2_ROWS, *more]
    write_book(root / "CASME2-coding-20140508.xlsx", {"Sheet1": grid})
    assert told in corpora.load("casme2", root).sources[1]


def test_errata_of_one_scheme(tmp_path):
    table = errata.read()
    assert set(table.loc[table["subject"] == "sub04", "field"]) == {"apex", "excluded:3"}
    (tmp_path / "e.csv").write_text(
        ",".join(errata.COLUMNS) + "\ncasme2,,sub01,a,excluded:x,,y,z\n"
    )
    with pytest.raises(StudyError, match="line 2: field 'excluded:x' is none of"):
        errata.read(tmp_path / "e.csv")


# --- nothing is written, nothing is guessed, nothing crashes --------------------------------------


def write_everything(raw: Path) -> dict[str, Path]:
    return {
        "casme2": write_casme2(raw / "casme2"),
        "samm": write_samm(raw / "samm"),
        "smic": write_smic(raw / "smic"),
        "smic_e": write_smic_e(raw / "smic_e"),
        "casme_squared": write_squared(raw / "casme_squared"),
        "casme3": write_casme3(raw / "casme3"),
        "afew": write_afew(raw / "afew"),
        "oulu_casia": write_oulu(raw / "oulu_casia"),
    }


def state(folder: Path) -> dict[str, tuple]:
    """Every path below a folder: its bytes' hash, its time of change, its rights."""
    found = {}
    for path in sorted(folder.rglob("*")):
        stat = path.stat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path)] = (content, stat.st_mtime_ns, stat.st_mode)
    return found


def test_the_raw_tree_is_read_only_and_stays_as_it_was(tmp_path):
    places = write_everything(tmp_path / "raw")
    below = [tmp_path / "raw", *(tmp_path / "raw").rglob("*")]
    for path in below:
        os.chmod(path, 0o555 if path.is_dir() else 0o444)
    before = state(tmp_path / "raw")
    try:
        for name, place in places.items():
            assert len(corpora.load(name, place).clips)
            corpora.load(name, place, apex="midpoint")
        assert len(corpora.load("megc2019", tmp_path / "raw").clips)
        assert state(tmp_path / "raw") == before
    finally:
        for path in below:
            if path.is_dir():
                os.chmod(path, 0o755)


WORDS = ["01", "1", "sub01", "EP02_01f", "46", "59", "86", "46.0", "/", "?", "", "happiness", "a"]
WORDS += [
    "006",
    "006_1_2",
    "5562",
    "Anger",
    "spNO.1",
    "355",
    "360",
    "370",
    "happy",
    "0",
    "-1",
    "１２",
]
WORDS += [
    "anger1_1",
    "micro-expression",
    "negative",
    "s15",
    "0401",
    "1e400",
    "nan",
    "99999999999999",
]
CELLS = st.one_of(st.sampled_from(WORDS), st.text(max_size=6), st.integers(-9, 10**20).map(str))
HEADERS = {
    "casme2": "Subject,Filename,OnsetFrame,ApexFrame,OffsetFrame,Action Units,Estimated Emotion",
    "samm": "Subject,Filename,Onset Frame,Apex Frame,Offset Frame,Action Units,Estimated Emotion",
    "casme3": ",".join(A_HEAD),
    "smic_e": ",".join(str(head or "") for head in E_HEAD),
    "casme_squared": "",
}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """Small releases whose sheets are replaced by csv files of anything."""
    raw = tmp_path_factory.mktemp("raw")
    places = {name: place for name, place in write_everything(raw).items() if name in HEADERS}
    for place in places.values():
        for file in place.rglob("*.xlsx"):
            file.unlink()
    return places


def well_formed(corpus) -> None:
    """What holds of any clip table: nothing in it was guessed."""
    clips = corpus.clips
    assert set(clips["label"]) <= set(corpus.classes)
    assert not clips.duplicated(list(corpora.KEY)).any()
    assert (corpus.exclusions["reason"].str.len() > 5).all()
    for clip in clips.itertuples():
        held = corpora.frame_files(clip.frames)
        numbers = [n for n in (clip.onset, clip.apex, clip.offset) if n is not pd.NA]
        assert numbers == sorted(numbers) and set(numbers) <= set(held)


GOOD = {  # a row of each release that is kept, to be spoiled cell by cell
    "casme2": ["01", "EP02_01f", "46", "59", "86", "12", "happiness"],
    "samm": ["006", "006_1_2", "5562", "5588", "5632", "4+7", "Anger"],
    "casme3": ["spNO.1", "a", "355", "360", "370", "R12", "5", "happy"],
    "smic_e": [str(cell or "") for cell in e_row(1, "s1_ne_01", "negative", (110, 130))],
    "casme_squared": [str(cell) for cell in SQUARED_ROWS[0]],
}
SPOILED = st.dictionaries(st.integers(0, 14), CELLS, max_size=2)
ANYTHING = st.lists(CELLS, max_size=10)


@pytest.mark.parametrize("name", HEADERS)
@settings(max_examples=300)
@given(grid=st.lists(st.one_of(SPOILED, SPOILED, ANYTHING), max_size=6), headed=st.booleans())
def test_any_sheet_is_read_refused_or_explained(shelf, name, grid, headed):
    lines = [HEADERS[name]] * headed
    if name == "casme_squared" and headed:
        lines = ["15,s15,1", "16,s16,2", "0401,anger1", "0502,happy2"]
    for row_ in grid:
        good = enumerate(GOOD[name])
        cells = row_ if isinstance(row_, list) else [row_.get(at, cell) for at, cell in good]
        lines.append(",".join('"' + cell.replace('"', "") + '"' for cell in cells))
    file = shelf[name] / f"{name}_sheet_code_final.csv"
    file.write_text("\n".join(lines), encoding="utf-8")
    try:
        corpus = corpora.load(name, shelf[name])
    except StudyError as error:
        assert "\n" not in str(error)
        return
    well_formed(corpus)


@pytest.mark.parametrize("name", HEADERS)
def test_the_row_that_is_spoiled_is_good(shelf, name):
    """Else the test above would never see a clip that is kept."""
    head = {"casme_squared": "15,s15,1\n0401,anger1"}.get(name, HEADERS[name])
    file = shelf[name] / f"{name}_sheet_code_final.csv"
    file.write_text(head + "\n" + ",".join(GOOD[name]), encoding="utf-8")
    assert len(corpora.load(name, shelf[name]).clips) == 1


@settings(max_examples=500)
@given(st.lists(st.lists(CELLS, max_size=6).map(",".join), max_size=6).map("\n".join))
def test_any_clip_list_is_read_or_refused(tmp_path_factory, text):
    file = tmp_path_factory.getbasetemp() / "list.csv"
    file.write_text(text, encoding="utf-8")
    try:
        table = official.read(file)
    except StudyError as error:
        assert "\n" not in str(error)
        return
    assert set(table["label"]) <= set(corpora.CLASSES) and (table["subject"] != "").all()


NAMES = st.text(
    st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=12
)


@settings(max_examples=300)
@given(names=st.lists(st.tuples(NAMES, st.sampled_from([".jpg", ".JPG", "", ".txt"])), max_size=6))
def test_any_file_names_in_a_folder_of_frames(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("clip")
    for name, extension in names:
        if name not in (".", ".."):
            (folder / f"{name}{extension}").write_bytes(b"x")
    try:
        found = corpora.frame_files(folder)
    except StudyError as error:
        assert "keep one" in str(error)
        return
    assert all(frames.frame_number(path.name) == number for number, path in found.items())
    assert list(found) == sorted(found)


@settings(max_examples=150)
@given(
    st.lists(NAMES, min_size=1, max_size=5), st.sampled_from(["casme2", "smic", "casme3", "afew"])
)
def test_any_folder_names_in_a_release(tmp_path_factory, names, release):
    root = tmp_path_factory.mktemp("raw")
    deep = root.joinpath(*[name for name in names if name not in (".", "..")], "micro")
    try:
        deep.mkdir(parents=True)
    except OSError:
        return  # the file system knows no such name
    (deep / "image1.jpg").write_bytes(b"x")
    try:
        well_formed(corpora.load(release, root))
    except StudyError as error:
        assert str(error)


# --- what lies under data/raw ---------------------------------------------------------------------


def test_the_census_of_data_raw(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "DATA", tmp_path)
    monkeypatch.setattr(paths, "RAW", tmp_path / "raw")
    monkeypatch.setattr(paths, "SYNTHETIC", tmp_path / "synthetic")
    table = summary.census().set_index("corpus")
    assert set(table["state"]) == {"missing"} and set(table.index) == set(corpora.CORPORA)
    write_everything(tmp_path / "raw")
    (tmp_path / "raw/oulu_casia").rename(tmp_path / "raw/Oulu_CASIA_NIR_VIS")
    (tmp_path / "raw/holiday").mkdir()
    shutil.rmtree(tmp_path / "raw/samm/006")
    (tmp_path / "raw/samm/SAMM_Micro_FACS_Codes_v2.xlsx").write_bytes(b"")
    table = summary.census().set_index("corpus")
    state = table["state"].to_dict()
    assert {name for name in state if state[name] == "read"} == {
        *("casme2", "smic", "smic_e", "casme_squared", "casme_squared_macro", "casme3", "afew")
    }
    assert (table.loc["casme2", "clips"], table.loc["casme2", "left out"]) == (3, 1)
    assert state["casme3_c"] == "missing" and state["megc2019"] == "cannot be read"
    assert state["samm"] == "cannot be read" and "cannot be opened" in table.loc["samm", "message"]
    assert str(tmp_path) not in " ".join(table["message"]) and set(table["place"]) >= {"raw/samm"}
    told = table.loc["Oulu_CASIA_NIR_VIS", "message"]
    assert told.startswith("looks like oulu_casia (6 clips): rename it to raw/oulu_casia")
    assert table.loc["holiday", "message"].startswith("no reader recognises it")
    assert cli.main(["corpora"]) == 0
    printed = capsys.readouterr().out
    assert "casme2 (raw/casme2): 3 clips of 2 subjects, 1 left out" in printed
    assert max(map(len, printed.splitlines())) <= 110


def test_a_full_size_tree_is_listed_without_opening_a_frame(tmp_path, monkeypatch):
    """860 clips in a twentieth of the frames; benchmarks/corpora.py has all 60,000."""
    rows = [
        ["spNO.1", "a", 10 * n + 1, 10 * n + 2, 10 * n + 3, "4", 5, "happy"] for n in range(860)
    ]
    write_book(tmp_path / "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx", {"label": [A_HEAD, *rows]})
    write_frames(tmp_path / "part_A/spNO.1/a/color", range(1, 3001), "{}.jpg", b"x")
    listed = []
    scan = os.scandir
    monkeypatch.setattr(
        os, "scandir", lambda place=".": (listed.append(str(place)), scan(place))[1]
    )
    monkeypatch.setattr(cv2, "imread", None)
    monkeypatch.setattr(cv2, "imdecode", None)
    corpus = corpora.load("casme3", tmp_path)
    assert len(corpus.clips) == 300 and len(corpus.exclusions) == 560
    assert listed.count(str(tmp_path / "part_A/spNO.1/a/color")) <= 2  # found once, listed once
    assert "as many rows as cas(me)3_part_A_ME_label_JpgIndex_v2" in corpus.sources
