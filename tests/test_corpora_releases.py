"""The readers of CASME II, SAMM and SMIC on small releases written here, quirks and all."""

import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mer_utils import cli, corpora, paths
from mer_utils.corpora import errata, frames, ids, sheets, summary
from mer_utils.errors import StudyError

JPG = cv2.imencode(".jpg", np.full((8, 8), 90, np.uint8))[1].tobytes()
BMP = cv2.imencode(".bmp", np.full((8, 8), 90, np.uint8))[1].tobytes()


@pytest.fixture(autouse=True)
def _no_errata_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "DATA", tmp_path / "nothing")


def write_frames(folder: Path, numbers, name="img{}.jpg", content=JPG):
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        (folder / name.format(number)).write_bytes(content)


CASME2_ROWS = [  # subject, clip, onset, apex, offset, AUs, emotion
    ["01", "EP02_01f", 46, 59, 86, 12, "happiness"],
    ["01", "EP03_02", 131, 139, 161, "18", "others"],
    ["02", "EP03_02", 16, 81, 136, "R2+15", "repression"],  # one name, two subjects
    ["02", "EP01_2", 96, 101, 104, "?", " Surprise "],
]


def write_casme2(root: Path, rows=CASME2_ROWS, frames_in="CASME2_RAW_selected", sheet=None) -> Path:
    columns = ["Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None]
    columns += ["Action Units", "Estimated Emotion"]
    body = [[r[0], r[1], None, r[2], r[3], r[4], None, r[5], r[6]] for r in rows]
    root.mkdir(parents=True, exist_ok=True)
    file = root / (sheet or "CASME2-coding-20140508.xlsx")
    with pd.ExcelWriter(file) as book:
        pd.DataFrame([columns, *body]).to_excel(
            book, sheet_name="Sheet1", header=False, index=False
        )
        for tab in ("Sheet2", "Sheet3"):
            pd.DataFrame().to_excel(book, sheet_name=tab)
    for row in rows:
        if isinstance(row[2], int) and isinstance(row[4], int):
            folder = root / frames_in / f"sub{int(row[0]):02d}" / row[1]
            write_frames(folder, range(row[2], row[4] + 1))
    return root


SAMM_ROWS = [
    [6, "006_1_2", 5562, 5588, 5632, "4+7", "Anger"],
    [7, "007_6_1", 497, 511, 541, "(R6 or R12)+R15", "Happiness"],
    [7, "007_4_2", 5900, 5943, 5999, "17", "Other"],
    [9, "009_3_4", 3334, 3370, 3419, "1", "Surprise"],
]


def write_samm(root: Path, rows=SAMM_ROWS, prose=13) -> Path:
    head = ["Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame"]
    head += ["Duration", "Micro", "Action Units", "Estimated Emotion", "Objective Classes", "Notes"]
    body = [[r[0], r[1], 1, r[2], r[3], r[4], 9, "Micro - 1/2", r[5], r[6], 7, None] for r in rows]
    grid = [[f"Prose about the Subject, line {n}"] + [None] * 11 for n in range(prose)]
    root.mkdir(parents=True, exist_ok=True)
    pd.DataFrame([*grid, head, *body]).to_excel(
        root / "SAMM_Micro_FACS_Codes_v2.xlsx", sheet_name="MICRO_ONLY", header=False, index=False
    )
    for number, row in enumerate(rows):
        padding = ("{:05d}", "{:04d}", "{}")[number % 3]  # as in the release: not constant
        name = f"{row[1][:3]}_{padding}.jpg"
        write_frames(root / row[1][:3] / row[1], range(row[2], row[4] + 1), name)
    return root


def write_smic(root: Path) -> Path:
    micro = root / "SMIC_all_raw" / "HS"
    name = "image{:06d}.bmp"
    write_frames(micro / "s1/micro/negative/s1_ne_01", range(559740, 559776), name, BMP)
    write_frames(micro / "s1/micro/surprise/s1_sur_01", range(9990, 10012), name, BMP)
    write_frames(micro / "s20/micro/positive/s20_po_01", range(17598752, 17598799), name, BMP)
    write_frames(micro / "s20/non_micro/s20_ne_09", range(5), name, BMP)
    write_frames(root / "SMIC_all_raw/VIS/s11/micro/negative/s11_ne_01", range(9), name, BMP)
    return root


def reasons(corpus) -> dict[str, str]:
    """ "subject/clip" -> reason."""
    rows = corpus.exclusions
    return dict(zip(rows["subject"] + "/" + rows["clip"], rows["reason"], strict=True))


def row(corpus, clip, subject=None):
    found = corpus.clips[corpus.clips["clip"] == clip]
    found = found if subject is None else found[found["subject"] == subject]
    assert len(found) == 1
    return found.iloc[0]


# --- what a good release gives ------------------------------------------------------------------


def test_casme2_table(tmp_path):
    corpus = corpora.load("casme2", write_casme2(tmp_path / "casme2"))
    assert list(corpus.clips.columns) == list(corpora.COLUMNS)
    assert list(corpus.clips["subject"]) == ["sub01", "sub02", "sub02"]
    first = row(corpus, "EP02_01f")
    assert (first.label, first.emotion, first.action_units) == ("positive", "happiness", "12")
    assert (first.onset, first.apex, first.offset) == (46, 59, 86)
    assert (first.apex_source, first.fps, first.note) == ("sheet", 200.0, "")
    assert corpora.frame_files(first.frames)[59].name == "img59.jpg"
    assert row(corpus, "EP03_02", "sub02").action_units == "R2+15"
    assert row(corpus, "EP01_2").emotion == "surprise"  # blanks and capitals are gone
    assert reasons(corpus) == {
        "sub01/EP03_02": "emotion 'others' has no class in the MEGC2019 mapping"
    }
    assert corpus.clips["onset"].dtype == "Int64"
    assert corpus.views == corpora.FRAME_VIEWS
    assert not corpus.synthetic
    assert "4 rows, sha256" in corpus.sources[0]


def test_natural_order_beats_text_order(tmp_path):
    write_frames(tmp_path / "clip", [100, 46, 9])
    assert list(corpora.frame_files(tmp_path / "clip")) == [9, 46, 100]


@pytest.mark.parametrize("frames_in", ["CASME2-RAW", "Cropped", "Cropped/Cropped"])
def test_casme2_layouts(tmp_path, frames_in):
    root = write_casme2(tmp_path / "casme2", frames_in=frames_in)
    if "Cropped" in frames_in:
        for file in list(root.rglob("img*.jpg")):
            file.rename(file.with_name(f"reg_{file.name}"))
    corpus = corpora.load("casme2", root)
    assert len(corpus.clips) == 3
    assert min(corpora.frame_files(row(corpus, "EP02_01f").frames)) == 46


def test_casme2_frames_folder_given_itself(tmp_path):
    root = write_casme2(tmp_path / "casme2")
    assert len(corpora.load("casme2", root / "CASME2_RAW_selected").clips) == 3


def test_casme2_inside_one_parent_and_raw_before_cropped(tmp_path):
    write_casme2(tmp_path / "raw" / "CASME2", frames_in="Cropped")
    corpus = corpora.load("casme2", write_casme2(tmp_path / "raw" / "CASME2").parent)
    assert len(corpus.clips) == 3
    assert all("CASME2_RAW_selected" in path for path in corpus.clips["frames"])
    assert any(s.startswith("not read: ") and s.endswith("Cropped") for s in corpus.sources)


@pytest.mark.parametrize("prose", [13, 0])
def test_samm_header_and_padding(tmp_path, prose):
    corpus = corpora.load("samm", write_samm(tmp_path / "samm", prose=prose))
    assert list(corpus.clips["subject"]) == ["006", "007", "009"]
    for clip in corpus.clips.itertuples():
        assert {clip.onset, clip.apex, clip.offset} <= set(corpora.frame_files(clip.frames))
    assert row(corpus, "007_6_1").action_units == "(R6 or R12)+R15"
    assert row(corpus, "006_1_2").label == "negative"
    assert reasons(corpus)["007/007_4_2"] == "emotion 'other' has no class in the MEGC2019 mapping"


def test_samm_inside_one_parent(tmp_path):
    write_samm(tmp_path / "samm" / "SAMM_release")
    assert len(corpora.load("samm", tmp_path / "samm").clips) == 3


def test_smic_folders_are_the_annotation(tmp_path):
    corpus = corpora.load("smic", write_smic(tmp_path / "smic"))
    assert list(corpus.clips["clip"]) == ["s01_ne_01", "s01_sur_01", "s20_po_01"]
    clip = row(corpus, "s20_po_01")
    assert (clip.subject, clip.label, clip.fps) == ("s20", "positive", 100.0)
    assert (clip.onset, clip.offset) == (17598752, 17598798)
    assert clip.apex is pd.NA and clip.apex_source == "" and clip.action_units == ""
    assert row(corpus, "s01_sur_01").onset == 9990  # 009990 and 010011: by number, not by text
    assert len(corpus.exclusions) == 0


@pytest.mark.parametrize("below", ["SMIC_all_raw", "SMIC_all_raw/HS"])
def test_smic_folder_given_itself(tmp_path, below):
    assert len(corpora.load("smic", write_smic(tmp_path / "smic") / below).clips) == 3


def test_smic_cropped_jpg_and_missing_numbers(tmp_path):
    folder = tmp_path / "SMIC_all_cropped/HS/s3/micro/negative/s3_ne_16"
    write_frames(folder, [10, 11, 13], "reg_image{:06d}.jpg")
    corpus = corpora.load("smic", tmp_path)
    assert row(corpus, "s03_ne_16").note == "1 frame numbers are missing between"


def write_all(root: Path) -> Path:
    write_casme2(root / "casme2")
    write_samm(root / "samm")
    write_smic(root / "smic")
    return root


def test_composite_is_the_three(tmp_path):
    corpus = corpora.load("megc2019", write_all(tmp_path / "raw"))
    assert corpus.clips["corpus"].value_counts().to_dict() == {"casme2": 3, "samm": 3, "smic": 3}
    assert corpus.clips.duplicated(list(corpora.KEY)).sum() == 0
    assert len(corpus.exclusions) == 2


def test_synthetic_is_read_by_the_same_readers(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "SYNTHETIC", write_all(tmp_path / "synthetic"))
    corpus = corpora.load("synthetic")
    assert corpus.synthetic
    assert set(corpus.clips["corpus"]) == {"synthetic_casme2", "synthetic_samm", "synthetic_smic"}
    people = corpora.load("megc2019", paths.SYNTHETIC)
    same = [c for c in corpora.COLUMNS if c != "corpus"]
    pd.testing.assert_frame_equal(corpus.clips[same], people.clips[same])
    assert cli.main(["corpora", "synthetic"]) == 0
    assert "SYNTHETIC" in capsys.readouterr().out.splitlines()[1]


def test_errata_and_dropped_clips_are_about_people_only(tmp_path, monkeypatch):
    write_all(tmp_path / "synthetic")
    write_casme2(tmp_path / "synthetic/casme2", [["04", "EP12_01f", 5, 7, 9, "4", "disgust"]])
    monkeypatch.setattr(paths, "SYNTHETIC", tmp_path / "synthetic")
    assert "EP12_01f" in set(corpora.load("synthetic").clips["clip"])


# --- quirks of the sheets -----------------------------------------------------------------------


def test_official_drops_and_apex_slash(tmp_path):
    rows = [
        ["04", "EP12_01f", 261, "/", 321, "4+7+L10", "disgust"],
        ["05", "EP09_05f", 69, 69, 123, "R2+15", "disgust"],
        ["06", "EP01_01", 81, "/", 136, "L14", "happiness"],
        ["12", "EP09_06", 66, 111, 111, "4+7", "disgust"],
    ]
    corpus = corpora.load("casme2", write_casme2(tmp_path, rows))
    why = reasons(corpus)
    assert why["sub04/EP12_01f"].startswith(
        "dropped by the official MEGC2019 list: the sheet gives"
    )
    assert "the sheet's apex is its onset (69)" in why["sub05/EP09_05f"]
    kept = row(corpus, "EP01_01")
    assert kept.apex is pd.NA and kept.apex_source == "" and kept.note == "no apex in the sheet"
    assert row(corpus, "EP09_06").note == "apex = offset in the sheet"


def test_frames_that_the_sheet_names_are_not_there(tmp_path):
    rows = [["12", "EP09_02", 16, 59, 101, "4+7+L2", "disgust"], CASME2_ROWS[0]]
    root = write_casme2(tmp_path, rows)
    folder = root / "CASME2_RAW_selected/sub12/EP09_02"
    shutil.rmtree(folder)
    write_frames(folder, range(161, 207))
    assert reasons(corpora.load("casme2", root)) == {
        "sub12/EP09_02": "onset frame 16 is not in sub12/EP09_02, which holds 46 frames "
        "from 161 to 206: correct it in errata.csv as data/README.md shows, if the sheet is wrong"
    }


@pytest.mark.parametrize("missing", ["apex", "offset"])
def test_one_annotated_frame_is_missing(tmp_path, missing):
    root = write_casme2(tmp_path, CASME2_ROWS[:1])
    number = {"apex": 59, "offset": 86}[missing]
    (root / f"CASME2_RAW_selected/sub01/EP02_01f/img{number}.jpg").unlink()
    assert reasons(corpora.load("casme2", root))["sub01/EP02_01f"].startswith(
        f"{missing} frame {number} is not in"
    )


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        ((60, 59, 86), "onset 60 is after apex 59"),
        ((46, 87, 86), "apex 87 is after offset 86"),
        ((46, "/", 40), "onset 46 is after offset 40"),
        ((46, 46, 86), "apex is the onset (46): there is no movement between them"),
        (("x", 59, 86), "onset 'x' is not a frame number"),
        ((46, "59?", 86), "apex '59?' is not a frame number"),
        ((46, 59, None), "offset '' is not a frame number"),
        ((46, 59.5, 86), "apex '59.5' is not a frame number; of a time write seconds times fps"),
    ],
)
def test_annotations_that_make_no_sense(tmp_path, numbers, reason):
    root = write_casme2(tmp_path, [["01", "EP02_01f", *numbers, "12", "happiness"]])
    write_frames(root / "CASME2_RAW_selected/sub01/EP02_01f", range(40, 90))
    corpus = corpora.load("casme2", root)
    assert reasons(corpus) == {"sub01/EP02_01f": reason}
    assert len(corpus.clips) == 0


def test_emotions_nobody_knows(tmp_path):
    rows = [[*CASME2_ROWS[0][:6], "happyness"], [*CASME2_ROWS[2][:6], None]]
    why = reasons(corpora.load("casme2", write_casme2(tmp_path, rows)))
    assert why == {
        "sub01/EP02_01f": "emotion 'happyness' is not known, the nearest is 'happiness'",
        "sub02/EP03_02": "the sheet names no emotion",
    }


def test_rows_and_folders_without_each_other(tmp_path):
    root = write_casme2(tmp_path)
    shutil.rmtree(root / "CASME2_RAW_selected/sub01")
    shutil.rmtree(root / "CASME2_RAW_selected/sub02/EP01_2")
    write_frames(root / "CASME2_RAW_selected/sub02/EP99_01", range(3))
    (root / "CASME2_RAW_selected/sub02/EP03_02").rename(
        root / "CASME2_RAW_selected/sub02/ep03_02"  # case of a copy made on another system
    )
    corpus = corpora.load("casme2", root)
    why = reasons(corpus)
    assert list(corpus.clips["clip"]) == ["EP03_02"]
    assert why["sub01/EP02_01f"] == "no folder sub01 in CASME2_RAW_selected"
    assert why["sub02/EP01_2"] == "no folder sub02/EP01_2 in CASME2_RAW_selected"
    assert why["sub02/EP99_01"].startswith("sub02/EP99_01 on disk has no row in CASME2-coding")


def test_subject_that_is_no_subject(tmp_path):
    root = write_casme2(tmp_path)
    sheet = pd.read_excel(root / "CASME2-coding-20140508.xlsx", header=None, dtype=object)
    sheet.loc[len(sheet)] = ["?", "EP1", None, 1, 2, 3, None, "1", "disgust"]
    sheet.loc[len(sheet)] = ["Checked twice by two coders"] + [None] * 8
    sheet.to_excel(root / "CASME2-coding-20140508.xlsx", header=False, index=False)
    corpus = corpora.load("casme2", root)
    assert "'?' is not a subject such as sub01" in reasons(corpus)["?/EP1"]
    assert len(corpus.exclusions) == 2  # the line of prose is no clip


def test_unusable_folders(tmp_path):
    root = write_casme2(tmp_path)
    selected = root / "CASME2_RAW_selected"
    (selected / "sub01/EP02_01f/img59.jpg").write_bytes(b"")
    (selected / "sub02/EP03_02/img0081.jpg").write_bytes(JPG)
    for file in (selected / "sub02/EP01_2").iterdir():
        file.unlink()
    (selected / "sub02/EP01_2/Thumbs.db").write_bytes(b"x")
    why = reasons(corpora.load("casme2", root))
    assert why["sub01/EP02_01f"] == "apex frame sub01/EP02_01f/img59.jpg is an empty file"
    assert "two files for frame 81, img0081.jpg and img81.jpg: keep one" in why["sub02/EP03_02"]
    assert why["sub02/EP01_2"] == "sub02/EP01_2 holds no images"


def test_two_folders_of_one_clip(tmp_path):
    root = write_casme2(tmp_path)
    write_frames(root / "CASME2_RAW_selected/sub1/EP02_01f", range(46, 87))
    with pytest.raises(StudyError, match="folders of one clip: keep one"):
        corpora.load("casme2", root)


def test_clip_listed_twice(tmp_path):
    root = write_casme2(tmp_path, [*CASME2_ROWS, ["1", "EP02_01f", 46, 60, 86, "12", "happiness"]])
    with pytest.raises(StudyError, match=r"lists sub01/EP02_01f twice, in rows 2 and 6"):
        corpora.load("casme2", root)


# --- sheets that cannot be used -----------------------------------------------------------------


def one_sentence(error) -> str:
    text = str(error.value)
    assert "\n" not in text and "Traceback" not in text
    return text


def test_renamed_column_names_both(tmp_path):
    root = write_casme2(tmp_path)
    file = root / "CASME2-coding-20140508.xlsx"
    sheet = pd.read_excel(file, header=None, dtype=object).replace("ApexFrame", "Apex_Frm")
    sheet.to_excel(file, header=False, index=False)
    with pytest.raises(StudyError) as error:
        corpora.load("casme2", root)
    assert one_sentence(error) == (
        "CASME2-coding-20140508.xlsx has no column 'Apex Frame'; the nearest is 'Apex_Frm' (it "
        "has Subject, Filename, OnsetFrame, Apex_Frm, OffsetFrame, Action Units, Estimated "
        "Emotion): rename it"
    )


def test_sheet_missing_renamed_doubled_old_or_broken(tmp_path):
    root = write_casme2(tmp_path / "casme2")
    file = root / "CASME2-coding-20140508.xlsx"
    moved = file.rename(root / "annotations.xlsx")  # found by its columns
    assert len(corpora.load("casme2", root).clips) == 3
    moved.rename(tmp_path / "elsewhere.xlsx")
    with pytest.raises(StudyError, match="has no annotation sheet: put the CASME II release's"):
        corpora.load("casme2", root)
    (root / "CASME2_label_Ver_2.xls").write_bytes(b"old")
    with pytest.raises(StudyError, match=r"CASME2_label_Ver_2\.xls cannot be opened as a sheet"):
        corpora.load("casme2", root)
    file.write_bytes((tmp_path / "elsewhere.xlsx").read_bytes()[:999])
    with pytest.raises(StudyError, match="cannot be opened as a sheet"):
        corpora.load("casme2", root)
    shutil.copy(tmp_path / "elsewhere.xlsx", file)
    shutil.copy(file, root / "CASME2-coding-copy.xlsx")  # the same bytes twice are one sheet
    assert len(corpora.load("casme2", root).clips) == 3
    write_casme2(root, CASME2_ROWS[:2], sheet="CASME2-coding-20190701.xlsx")
    with pytest.raises(StudyError, match="more than one annotation sheet"):
        corpora.load("casme2", root)


def test_workbook_damaged_inside(tmp_path):
    root = write_casme2(tmp_path)
    file = root / "CASME2-coding-20140508.xlsx"
    with zipfile.ZipFile(file) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    with zipfile.ZipFile(file, "w") as book:
        for name, content in parts.items():
            book.writestr(name, content[: len(content) // 2])
    with pytest.raises(StudyError, match="cannot be opened as a sheet") as error:
        corpora.load("casme2", root)
    one_sentence(error)


def test_sheet_without_any_header(tmp_path):
    root = write_casme2(tmp_path)
    file = root / "CASME2-coding-20140508.xlsx"
    sheet = pd.read_excel(file, header=None, dtype=object)
    sheet.iloc[1:].to_excel(file, header=False, index=False)
    wrong = "no header row: a row must hold the columns Subject.*the first holds 01, EP02_01f, 46"
    with pytest.raises(StudyError, match=wrong):
        corpora.load("casme2", root)


def test_stripped_csv_copy(tmp_path):
    root = write_casme2(tmp_path)
    (root / "CASME2-coding-20140508.xlsx").unlink()
    (root / "coding.csv").write_text(
        "Subject,Filename,Aus,Emotion,OnsetFrame,ApexFrame,OffsetFrame\n"
        "1,EP02_01f,12,happiness,46,59,86\n"
    )
    corpus = corpora.load("casme2", root)
    assert list(corpus.clips["clip"]) == ["EP02_01f"] and row(corpus, "EP02_01f").apex == 59


# --- folders that cannot be used ----------------------------------------------------------------


@pytest.mark.parametrize("name", [n for n in corpora.CORPORA if n != "synthetic"])
def test_missing_and_empty_folders(tmp_path, name):
    with pytest.raises(StudyError, match="does not exist: put ") as error:
        corpora.load(name, tmp_path / "nowhere")
    one_sentence(error)
    with pytest.raises(StudyError, match="is empty: put "):
        corpora.load(name, tmp_path)
    (tmp_path / "file").write_text("x")
    told = "has no column 'subject'" if name == "own" else "is a file: give the folder"
    with pytest.raises(StudyError, match=told):
        corpora.load(name, tmp_path / "file")
    with pytest.raises(StudyError) as error:  # a folder of something else
        corpora.load(name, tmp_path)
    one_sentence(error)


def test_missing_synthetic_says_how_to_make_it(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "SYNTHETIC", tmp_path / "synthetic")
    with pytest.raises(StudyError, match="run_all.sh synthetic"):
        corpora.load("synthetic")
    write_casme2(tmp_path / "synthetic" / "casme2")
    with pytest.raises(StudyError, match="samm does not exist: make it with"):
        corpora.load("synthetic")


def test_unknown_corpus_names_the_nearest():
    with pytest.raises(StudyError, match="'casme_2' is not known, the nearest is 'casme2'"):
        corpora.load("casme_2")


def test_smic_troubles(tmp_path):
    root = write_smic(tmp_path / "smic") / "SMIC_all_raw/HS"
    write_frames(root / "s1/micro/negative/s1_sur_07", range(9), "image{:06d}.bmp", BMP)
    write_frames(root / "s1/micro/negtive/s1_ne_05", range(9), "image{:06d}.bmp", BMP)
    write_frames(root / "s1/micro/negative/s1_ne_04", [7], "image{:06d}.bmp", BMP)
    write_frames(root / "s1/micro/negative/s2_ne_04", range(9), "image{:06d}.bmp", BMP)
    write_frames(root / "s1/micro/positive/s1_po_04", range(9), "image{:06d}.bmp", b"")
    (root / "s7").mkdir()
    why = reasons(corpora.load("smic", tmp_path / "smic"))
    assert why["s01/s01_sur_07"] == "the folder says negative, the name s1_sur_07 says surprise"
    assert "'negtive' is no emotion of SMIC, the nearest is 'negative'" in why["s01/s01_ne_05"]
    assert why["s01/s01_ne_04"] == "s1_ne_04 holds 1 images: onset and offset need two"
    assert why["s01/s02_ne_04"] == "clip s2_ne_04 is in the folder of subject s01"
    assert why["s01/s01_po_04"].endswith("/s1_po_04/image000000.bmp is an empty file")
    assert "holds no clip" in why["s07/"]
    write_frames(root / "s01/micro/negative/s01_ne_01", range(9), "image{:06d}.bmp", BMP)
    with pytest.raises(StudyError, match="folders of one clip"):
        corpora.load("smic", tmp_path / "smic")


def test_smic_long_release_is_not_taken_for_onsets(tmp_path):
    write_frames(tmp_path / "HS_long/SMIC_HS_E/s01/s1_ne_01", range(300))
    for path in (tmp_path, tmp_path / "HS_long", tmp_path / "HS_long/SMIC_HS_E"):
        with pytest.raises(StudyError):
            corpora.load("smic", path)


# --- errata -------------------------------------------------------------------------------------


def test_errata_table_is_well_formed():
    table = errata.read()
    assert len(table) >= 5 and (table["source"].str.len() > 10).all()
    assert "outside" in set(table["old"])


def erratum(tmp_path, **fields) -> Path:
    base = dict.fromkeys(errata.COLUMNS, "") | {"source": "the test"} | fields
    paths.DATA.mkdir(parents=True, exist_ok=True)
    file = paths.DATA / "errata.csv"
    pd.DataFrame([base])[list(errata.COLUMNS)].to_csv(file, index=False)
    return file


def test_own_erratum_is_applied_only_where_old_matches(tmp_path):
    root = write_casme2(tmp_path / "casme2")
    where = {"corpus": "casme2", "subject": "sub01", "clip": "EP02_01f", "field": "apex"}
    erratum(tmp_path, **where, old="59", new="61")
    changed = row(corpora.load("casme2", root), "EP02_01f")
    assert changed.apex == 61
    assert changed.note == "erratum: apex '59' -> '61' (the test)"
    for other in ({"old": "58"}, {"old": "59", "sheet_sha256": "0000"}):
        erratum(tmp_path, **where, new="61", **other)
        assert row(corpora.load("casme2", root), "EP02_01f").apex == 59
    digest = sheets.read(root / "CASME2-coding-20140508.xlsx").sha256
    erratum(tmp_path, **where, old="59", new="61", sheet_sha256=digest[:12])
    assert row(corpora.load("casme2", root), "EP02_01f").apex == 61


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"clip": "EP02_01"}, "no row of a sheet of casme2 is clip sub01/EP02_01"),
        ({"subject": "1"}, "no row of a sheet of casme2 is clip 1/EP02_01f"),
        ({"old": "58"}, "the sheet says apex '59', not '58'"),
        ({"sheet_sha256": "0000"}, "this sheet's sha256 begins with "),
    ],
)
def test_an_own_erratum_that_changes_nothing_is_named(tmp_path, fields, told, capsys):
    root = write_casme2(tmp_path / "casme2")
    where = {"corpus": "casme2", "subject": "sub01", "clip": "EP02_01f", "field": "apex"}
    erratum(tmp_path, **where | {"old": "59", "new": "61"} | fields)
    sources = corpora.load("casme2", root).sources
    assert sources[-1].startswith(f"errata.csv line 2 changes nothing: {told}")
    for used in ({"old": "59", "new": "61"}, {"field": "excluded:5", "new": "blurred"}):
        erratum(tmp_path, **where | used)
        assert "changes nothing" not in " ".join(corpora.load("casme2", root).sources)
    erratum(tmp_path, **where | {"corpus": "nowhere"})
    with pytest.raises(StudyError, match="errata.csv line 2: corpus 'nowhere' is not known"):
        corpora.load("smic", write_smic(tmp_path / "smic"))


def test_sheets_as_a_spreadsheet_saves_them(tmp_path):
    for sign in ",;\t":
        root = write_casme2(tmp_path / str(ord(sign)))
        book = root / "CASME2-coding-20140508.xlsx"
        grid = pd.read_excel(book, header=None, dtype=str)
        prose = pd.DataFrame([["prose, with, commas, and; one more, and another"]] * 3)
        pd.concat([prose, grid]).to_csv(
            book.with_suffix(".csv"), sep=sign, header=False, index=False
        )
        book.unlink()
        assert len(corpora.load("casme2", root).clips) == len(
            corpora.load("casme2", write_casme2(tmp_path / "book")).clips
        )


def test_bad_own_errata(tmp_path):
    root = write_casme2(tmp_path / "casme2")
    file = erratum(tmp_path, corpus="casme2", field="apexx")
    with pytest.raises(StudyError, match="line 2: field 'apexx' is none of"):
        corpora.load("casme2", root)
    erratum(tmp_path, corpus="casme2", field="apex", source=" ")
    with pytest.raises(StudyError, match="line 2: an erratum needs a source"):
        corpora.load("casme2", root)
    file.write_text("")
    with pytest.raises(StudyError, match="cannot be read as a csv"):
        corpora.load("casme2", root)
    file.write_text("a,b\n1,2\n")
    with pytest.raises(StudyError, match="has no column 'corpus'.*it has a, b"):
        corpora.load("casme2", root)


def test_known_wrong_apex_of_samm_is_dropped_not_guessed(tmp_path):
    rows = [
        [28, "028_4_1", 1071, 1224, 1134, "14", "Contempt"],
        [32, "032_3_1", 4896, 4930, 4970, "4", "Anger"],
        [33, "033_1_4", 6541, 6700, 6609, "4", "Anger"],
    ]
    corpus = corpora.load("samm", write_samm(tmp_path, rows))
    wrong = row(corpus, "028_4_1")
    assert wrong.apex is pd.NA and wrong.apex_source == ""
    assert wrong.note.startswith("erratum: apex '1224' -> ''")
    assert row(corpus, "032_3_1").apex == 4930  # a copy in which it is right
    assert reasons(corpus)["033/033_1_4"] == "apex 6700 is after offset 6609"


# --- the command line ---------------------------------------------------------------------------


def test_report_of_a_copy(tmp_path, capsys):
    assert cli.main(["corpora", "casme2", str(write_casme2(tmp_path))]) == 0
    out = capsys.readouterr().out
    assert "emotion 'others' has no class in the MEGC2019 mapping: sub01/EP03_02" in out
    assert "casme2/sub05: 1 positive clip(s) of the list are missing here" in out
    assert "casme2/sub02/EP01_2 (surprise) is not in the list" in out
    assert "3 clips where the official MEGC2019 list (casme2 part) has 145" in out


def test_report_warns(tmp_path, capsys):
    cli.main(["corpora", "casme2", str(write_casme2(tmp_path, CASME2_ROWS[:1]))])
    out = capsys.readouterr().out
    assert "warning: only one subject, sub01: leaving one out needs two at least" in out
    assert "warning: class 'surprise' has no clips" in out


def test_report_of_nothing_usable(tmp_path, capsys):
    assert cli.main(["corpora", "casme2", str(write_casme2(tmp_path, CASME2_ROWS[1:2]))]) == 0
    assert "Left out: 1" in capsys.readouterr().out


def test_errors_are_one_line_and_status_2(tmp_path, capsys):
    assert cli.main(["corpora", "casme2", str(tmp_path / "nowhere")]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert captured.err.startswith("error: ")


def test_counts(tmp_path):
    table = summary.counts(corpora.load("megc2019", write_all(tmp_path)))
    assert table.loc["all"].to_dict() == {
        "negative": 3,
        "positive": 3,
        "surprise": 3,
        "clips": 9,
        "subjects": 7,
        "left out": 2,
    }


# --- names and numbers --------------------------------------------------------------------------

CORPUS = st.sampled_from(list(ids.MEGC2019))


@given(CORPUS, st.integers(0, 999), st.integers(0, 4), st.sampled_from(["", " "]))
def test_every_spelling_of_a_subject_is_one_subject(corpus, number, zeros, blank):
    once = ids.MEGC2019[corpus].subject(number)
    prefix = {"casme2": "sub", "samm": "", "smic": "s"}[corpus]
    spellings = ["0" * zeros + str(number), f"{number}.0", float(number), once, once.upper()]
    spellings.append(f"{blank}{prefix}{'0' * zeros}{number}{blank}")
    assert {ids.MEGC2019[corpus].subject(spelling) for spelling in spellings} == {once}


@given(CORPUS, st.text(max_size=8))
def test_a_subject_is_well_formed_or_refused(corpus, text):
    try:
        once = ids.MEGC2019[corpus].subject(text)
    except ValueError:
        return
    assert once.isascii() and ids.MEGC2019[corpus].subject(once) == once


@given(CORPUS, st.text(max_size=12))
def test_clip_names_are_stable(corpus, text):
    once = ids.MEGC2019[corpus].clip(text)
    assert ids.MEGC2019[corpus].clip(once) == once


@given(st.integers(1, 40), st.sampled_from(["ne", "po", "sur"]), st.integers(1, 99))
def test_smic_disk_and_csv_names_meet(subject, code, number):
    on_disk = ids.MEGC2019["smic"].clip(f"s{subject}_{code}_{number:02d}")
    assert on_disk == ids.MEGC2019["smic"].clip(f"s{subject:02d}_{code}_{number:02d}")
    key = ("smic", f"s{subject:02d}", on_disk)
    assert ids.from_stem(f"s{subject:02d}_s{subject}_{code}_{number:02d}") == key
    assert ids.from_stem(f"{key[1]}_{key[2]} ") == key


@given(
    st.integers(0, 10**17),
    st.sampled_from(["img{}", "reg_img{}", "image{:06d}", "006_{:05d}", "sub01 {:012d}", "{}"]),
    st.sampled_from([".jpg", ".JPG", ".bmp", ".jpeg"]),
    st.sampled_from(["", " (1)", " - Copy"]),
)
def test_frame_number_is_the_last_integer(number, form, extension, copy):
    assert frames.frame_number(form.format(number) + copy + extension) == number


@given(st.text(max_size=30))
def test_frame_number_of_anything(name):
    number = frames.frame_number(name)
    assert number is None or 0 <= number < 10**18


@given(st.lists(st.integers(0, 10**6), unique=True, max_size=20))
def test_frame_files_returns_what_was_written(tmp_path_factory, numbers):
    folder = tmp_path_factory.mktemp("clip")
    write_frames(folder, numbers, "006_{:04d}.jpg", b"")
    found = corpora.frame_files(folder)
    assert list(found) == sorted(numbers)
    assert all(path.name == f"006_{number:04d}.jpg" for number, path in found.items())


# --- what the notebook shows --------------------------------------------------------------------


def test_figures_show_the_table(tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from mer_utils.reporting.plots import corpora as plots

    corpus = corpora.load("megc2019", write_all(tmp_path))
    people = summary.by_subject(corpus)
    figure = plots.clips_per_subject(people, corpus.classes)
    assert [axis.get_title(loc="left") for axis in figure.axes] == [
        "casme2: 3 clips, 2 subjects",
        "samm: 3 clips, 3 subjects",
        "smic: 3 clips, 2 subjects",
    ]
    for axis, name in zip(figure.axes, ("casme2", "samm", "smic"), strict=True):
        heights = sum(bar.get_height() for bar in axis.patches)
        assert heights == people.loc[name, "clips"].sum() == 3
    lasting = summary.durations(corpus)
    figure = plots.durations(lasting, corpus.classes)
    drawn = np.concatenate([dots.get_offsets()[:, 0] for dots in figure.axes[0].collections[:]])
    assert set(lasting["milliseconds"]) <= set(np.round(drawn, 6))


def test_durations_count_frames(tmp_path):
    corpus = corpora.load("casme2", write_casme2(tmp_path))
    lasting = summary.durations(corpus).set_index("clip")["milliseconds"]
    assert lasting["EP02_01f"] == (86 - 46 + 1) * 5  # 200 frames a second
