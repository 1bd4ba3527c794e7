"""CASME, MMEW, 4DME and DFME, written here as public readers describe them."""

import shutil

import pandas as pd
import pytest
from test_corpora_more import write_book
from test_corpora_releases import (
    _no_errata_of_this_machine,  # noqa: F401  the fixture acts here too
    reasons,
    row,
    write_frames,
)

from mer_utils import corpora
from mer_utils.corpora import official
from mer_utils.errors import StudyError

CASME_HEAD = ["Subject", "Filename", None, "OnsetF", "ApexF1", "ApexF2", "OffsetF", None, "Onset"]
CASME_HEAD += ["Total", "AU", "Emotion"]


def write_casme(root):
    rows = [
        [1, "EP01_12", None, 73, 81, None, 91, None, 150.0, 316.7, 4, "tense"],
        [1, "EP01_5", None, 113, 121, 125, 133, None, 150.0, 350.0, 12, "happiness"],
        [2, "EP01_5", None, 67, 75, "/", 81, None, 150.0, 250.0, "14", "repression"],
    ]
    write_book(root / "CASME-coded-20190721.xlsx", {"Sheet1": [CASME_HEAD, *rows]})
    for subject, clip, _, onset, *_, offset in (one[:7] for one in rows):
        folder = root / f"CASME_raw_selected/sub{subject:02d}/{clip}"
        write_frames(folder, range(onset, offset + 1), clip + "-{}.jpg")
    return root


def test_casme(tmp_path):
    corpus = corpora.load("casme", write_casme(tmp_path))
    clip = row(corpus, "EP01_5", "sub01")  # Onset is a time, OnsetF the frame
    assert (clip.onset, clip.apex, clip.offset, clip.fps) == (113, 121, 133, 60.0)
    assert (clip.label, clip.action_units) == ("positive", "12")
    assert row(corpus, "EP01_5", "sub02").label == "negative"
    assert "emotion 'tense' has no class" in reasons(corpus)["sub01/EP01_12"]
    four = corpora.load("casme-4", tmp_path)
    assert list(four.clips["label"]) == ["tense", "repression"]


MMEW_HEAD = ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "Action Units"]
MMEW_HEAD += ["Estimated Emotion", "remarks"]
MMEW_ROWS = [
    [1, "S01-01-001", 1, 15, 31, "6+12", "happiness", None],
    [1, "S01-02-001", 1, 17, 39, 5, "surprise", None],
    [2, "S02-04-001", 1, 9, 20, "14", "others", "a remark"],
    [2, "S02-07-001", 1, 9, 20, "4", "anger", None],
]


def write_mmew(root, by_subject=False):
    write_book(root / "MMEW_Micro_Exp.xlsx", {"Sheet1": [MMEW_HEAD, *MMEW_ROWS]})
    for subject, clip, onset, _, offset, _, emotion, _ in MMEW_ROWS:
        folder = emotion.replace("others", "repression")
        place = f"S{subject:02d}/{folder}" if by_subject else folder
        write_frames(root / "Micro_Expression" / place / clip, range(onset, offset + 1), "{}.jpg")
        write_frames(root / f"Macro_Expression/S{subject:02d}/{folder}", [1], clip + "-{}.jpg")
    return root


@pytest.mark.parametrize("by_subject", [False, True])
def test_mmew(tmp_path, by_subject):
    corpus = corpora.load("mmew", write_mmew(tmp_path, by_subject))
    assert list(corpus.clips["label"]) == ["positive", "surprise", "negative"]
    clip = row(corpus, "S01-01-001")
    assert (clip.subject, clip.apex, clip.fps) == ("S01", 15, 90.0)
    assert clip.frames.endswith("happiness/S01-01-001")
    assert "'others' has no class" in reasons(corpus)["S02/S02-04-001"]
    kept = {name: len(corpora.load(f"mmew-{name}", tmp_path).clips) for name in (4, 6, 7)}
    assert kept == {4: 3, 6: 3, 7: 4}
    assert [sum(one.counts.values()) for one in corpora.RELEASES["mmew"].schemes] == [
        *(234, 263, 234, 300)
    ]


def test_clips_that_are_found_by_name(tmp_path):
    root = write_mmew(tmp_path)
    micro = root / "Micro_Expression"
    shutil.rmtree(micro / "surprise/S01-02-001")
    write_frames(micro / "happiness/S09-01-001", [1, 2], "{}.jpg")
    why = reasons(corpora.load("mmew", root))
    assert why["S01/S01-02-001"] == f"no folder S01-02-001 in {root.name}"
    assert why["/S09-01-001"] == "S09-01-001 on disk has no row in a sheet"
    shutil.copytree(micro / "anger", root / "again")
    with pytest.raises(StudyError, match="are folders of one clip: keep one"):
        corpora.load("mmew", root)
    shutil.rmtree(root / "again")
    shutil.rmtree(micro)
    with pytest.raises(StudyError, match="holds no folder of a clip that MMEW_Micro_Exp.xlsx"):
        corpora.load("mmew", root)


def write_4dme(root):
    head = ["fold", "sub_ID", "fold_name", "Onset", "Apex", "Offset", "AUs", "Emotion", "eye blink"]
    rows = [
        [1, "S13", "S13_1st_001_01_1", 20, 25, 30, "AU4(k)+L7", "Negative", 0],
        [1, "S13", "S13_1st_001_01_2", 20, 25, 30, "R2", "Surprise+Positive", 0],
        [2, "S02", "S02_2nd_001_02_1", 2, 5, 9, "12", "Positive", 1],
        [2, "S02", "S02_2nd_001_02_2", 2, 5, 9, "12", "Repression", 1],
    ]
    write_book(root / "4DME_Labelling_Micro_release v1.xlsx", {"Sheet1": [head, *rows]})
    for _, subject, clip, onset, _, offset, *_ in rows:
        for modality in ("gray_micro", "gray_micro_crop"):
            write_frames(root / modality / subject / clip, range(onset, offset + 1), "{:05d}.jpg")
    return root


def test_4dme(tmp_path):
    corpus = corpora.load("4dme", write_4dme(tmp_path))
    assert list(corpus.clips["subject"]) == ["S02", "S13"]
    assert list(corpus.clips["label"]) == ["positive", "negative"]
    assert all("/gray_micro/" in folder for folder in corpus.clips["frames"])
    told = "emotion 'surprise+positive' has no class in the MEGC2019 mapping"
    assert reasons(corpus)["S13/S13_1st_001_01_2"] == told
    assert set(corpora.load("4dme-5", tmp_path).clips["label"]) == {
        *("negative", "positive", "repression")
    }


def write_dfme(root):
    head = ["Subject", "Filename", "Onset", "Apex", "Offset", "Emotion", "AU"]
    parts = {
        ("training", "train_data/train_data"): [[144, "144_k_289", 0, 4, 9, "Anger", "4"]],
        ("testA", "test_data_A"): [[216, "216_i_1", 3, 4, 9, "happiness", "12"]],
        ("testB", "test_data_B"): [[216, "216_e_0", 0, 5, 9, "Surprise", "1+2"]],
    }
    for (sheet, folder), rows in parts.items():
        write_book(root / f"annotation/{sheet}_full_with_AU.xlsx", {"Sheet1": [head, *rows]})
        for one in rows:
            write_frames(root / folder / one[1], range(one[2], one[4] + 1), "{:05d}.png")
    return root


def test_dfme_in_three_sheets(tmp_path):
    corpus = corpora.load("dfme", write_dfme(tmp_path))
    assert list(corpus.clips["clip"]) == ["144_k_289", "216_e_0", "216_i_1"]
    assert list(corpus.clips["subject"]) == ["0144", "0216", "0216"]
    clip = row(corpus, "144_k_289")  # its frames are counted from 0
    assert (clip.onset, clip.label, len(corpora.frame_files(clip.frames))) == (0, "negative", 10)
    assert pd.isna(clip.fps) and len(corpora.load("dfme-7", tmp_path).clips) == 3
    assert sum("full_with_AU.xlsx" in sentence for sentence in corpus.sources) == 3
    assert official.sentence(corpus).startswith("There is no official list of dfme")


@pytest.mark.parametrize("name", ["casme", "mmew", "4dme", "dfme"])
def test_data_readme_says_where_it_goes(name):
    from mer_utils import paths

    text = (paths.ROOT / "data/README.md").read_text(encoding="utf-8")
    assert f"raw/{name}/" in text and f"| `{name}` | " in text
