"""Guards of every reader: words of another scheme, frames used twice, a thousand reasons."""

import shutil

import pytest
from test_corpora_more import A_HEAD, SQUARED_ROWS, write_book, write_squared
from test_corpora_releases import (
    CASME2_ROWS,
    _no_errata_of_this_machine,  # noqa: F401  the fixture acts here too
    reasons,
    write_casme2,
)

from mer_utils import cli, corpora
from mer_utils.corpora import summary, table
from mer_utils.errors import StudyError

# --- emotions -------------------------------------------------------------------------------------

PART_C = {"negative": 99, "surprise": 30, "others": 20, "positive": 16}


def write_part_c(root, emotions=PART_C):
    words = [word for word, count in emotions.items() for _ in range(count)]
    rows = [[n % 31 + 1, n, 10, 20, "4\uff0c7", word] for n, word in enumerate(words)]
    head = ["sub", "count", "onset", "offset", "au", "emotion"]
    write_book(root / "CAS(ME)3_part_C_ME.xlsx", {"Sheet1": [head, *rows]})
    return root


def test_part_c_has_classes_where_part_a_has_emotions(tmp_path):
    write_part_c(tmp_path)
    for classes, counts in ((3, {k: v for k, v in PART_C.items() if k != "others"}), (4, PART_C)):
        corpus = corpora.load("casme3_c", tmp_path, classes=classes)
        assert corpus.clips["label"].value_counts().to_dict() == counts
        assert corpus.scheme.counts == counts
    with pytest.raises(StudyError, match="casme3_c has no scheme of 7 classes: choose 3"):
        corpora.load("casme3_c", tmp_path, classes=7)


def test_the_sheet_of_another_release_is_refused(tmp_path):
    """Part A in the words of part C: 30 clips, all of them surprise, would be left."""
    words = [word for word, count in PART_C.items() for _ in range(count)]
    rows = [["spNO.1", "a", n, n + 1, n + 2, "4", 5, word] for n, word in enumerate(words)]
    write_book(tmp_path / "cas(me)3_part_A_ME.xlsx", {"label": [A_HEAD, *rows]})
    (tmp_path / "part_A/spNO.1/a/color").mkdir(parents=True)
    told = "has 115 of 165 expressions whose emotion is not known in the MEGC2019 mapping .'negative' 99, 'positive' 16.: put the"  # noqa: E501
    with pytest.raises(StudyError, match=told):
        corpora.load("casme3", tmp_path)


def test_a_share_of_unknown_emotions_is_a_warning(tmp_path):
    rows = [[*CASME2_ROWS[0][:6], "Freude"], *CASME2_ROWS[1:]]
    corpus = corpora.load("casme2", write_casme2(tmp_path, rows))
    told = "1 of 4 clips have emotions unknown in the MEGC2019 mapping: 'freude' 1"
    assert told in summary.warnings(corpus)


# --- frames that are used twice -------------------------------------------------------------------


@pytest.mark.parametrize("label", ["negative", "positive"])
def test_one_stretch_of_frames_is_one_clip(tmp_path, label):
    again = ["anger1_2", *SQUARED_ROWS[0][2:]]
    again[5] = label
    corpus = corpora.load("casme_squared", write_squared(tmp_path, [SQUARED_ROWS[0], [1, *again]]))
    why = reasons(corpus)
    if label == "negative":
        assert list(corpus.clips["clip"]) == ["anger1_1"]
        assert why == {"s15/anger1_2": "frames 557 to 573 are those of anger1_1 once more"}
    else:
        told = "frames 557 to 573 are negative as anger1_1, positive as anger1_2"
        assert why == {"s15/anger1_1": told, "s15/anger1_2": told}


# --- reasons --------------------------------------------------------------------------------------


def test_reasons_that_differ_in_names_and_numbers_are_one():
    rows = [
        *(
            ("casme2", f"sub{n:02d}", f"EP{n}", f"no folder sub{n:02d}/EP{n} in raw")
            for n in range(1000)
        ),
        ("casme2", "sub01", "a", "emotion 'fear' is not known"),
        ("casme2", "sub01", "b", "emotion 'anger' is not known"),
        ("casme2", "", "x.png", "'x' is not <subject>_<clip>"),
        ("casme2", "", "y.png", "'y' is not <subject>_<clip>"),
    ]
    found = summary.reasons(table.exclusion_table(rows)).set_index("clips")
    assert sorted(found.index) == [1, 1, 2, 1000]
    assert found.loc[1000, "reason"] == "such as: no folder sub00/EP0 in raw"
    assert found.loc[1000, "which"].startswith("sub00/EP0, sub01/EP1, ")
    assert found.loc[1000, "which"].endswith(" and 990 more")
    assert found.loc[2, "reason"] == "such as: 'x' is not <subject>_<clip>"


def test_a_thousand_reasons_are_printed_as_one(tmp_path, capsys):
    folder = tmp_path / "STSNet_whole_norm_u_v_os"
    folder.mkdir()
    (tmp_path / "combined_3class_gt.csv").write_text("casme2,sub01,EP02_01f,1\n")
    (folder / "sub01_EP02_01f.png").write_bytes(b"")
    for number in range(1000):
        (folder / f"figure {number}.png").write_bytes(b"")
    assert cli.main(["corpora", "megc2019_flow", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert sum("figure" in line for line in printed.splitlines()) <= 4
    assert "1000 x such as: 'figure 0' is not <subject>_<clip>" in printed


# --- what people find in a folder -----------------------------------------------------------------


def test_a_subject_that_stands_once_for_a_block_of_rows(tmp_path):
    rows = [CASME2_ROWS[0], ["", *CASME2_ROWS[1][1:]], CASME2_ROWS[2], [None, *CASME2_ROWS[3][1:]]]
    root = write_casme2(tmp_path, CASME2_ROWS)
    head = ["Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame", "AUs", "Emotion"]
    write_book(root / "CASME2-coding-20140508.xlsx", {"Sheet1": [head, *rows]})
    corpus = corpora.load("casme2", root)
    told = "CASME2-coding-20140508.xlsx row 3 names no subject: unmerge its cells, and write"
    assert reasons(corpus)["/EP03_02"].startswith(told) and len(corpus.clips) == 2
    assert summary.reasons(corpus.exclusions)["clips"].tolist() == [2, 2]


OLE = bytes.fromhex("d0cf11e0a1b11ae1")


@pytest.mark.parametrize("name", ["CASME2-coding-20140508.xlsx", "CASME2-coding.xls"])
def test_a_sheet_with_a_password(tmp_path, name):
    root = write_casme2(tmp_path)
    (root / "CASME2-coding-20140508.xlsx").unlink()
    (root / name).write_bytes(OLE + bytes(504) + "EncryptedPackage".encode("utf-16-le"))
    with pytest.raises(StudyError, match=f"{name} is protected by a password: open it, save it"):
        corpora.load("casme2", root)


def test_an_old_workbook_under_a_new_name(tmp_path):
    root = write_casme2(tmp_path)
    (root / "CASME2-coding-20140508.xlsx").write_bytes(OLE + bytes(600))
    with pytest.raises(StudyError, match="cannot be opened as a sheet .*: copy it again"):
        corpora.load("casme2", root)


def test_archives_that_nobody_unpacked(tmp_path):
    root = write_casme2(tmp_path / "one")
    person = root / "CASME2_RAW_selected/sub01"
    shutil.rmtree(person)
    person.with_name("sub01.rar").write_bytes(b"Rar!")
    shutil.rmtree(person.with_name("sub02") / "EP01_2")
    (person.with_name("sub02") / "EP01_2.zip").write_bytes(b"PK")
    why = reasons(corpora.load("casme2", root))
    place = "CASME2_RAW_selected is not unpacked: unpack it there"
    assert why["sub01/EP02_01f"] == f"sub01.rar in {place}"
    assert why["sub02/EP01_2"] == f"EP01_2.zip in {place}"
    for name, folder, archive in (
        ("casme2", "a", "CASME2_RAW_selected.zip"),
        ("smic", "b/SMIC", "SMIC_all_raw.7z"),
        ("megc2019_flow", "c", "datasets.tar.gz"),
        ("afew", "d", "Train_AFEW.part1.rar"),
    ):
        place = tmp_path / folder
        place.mkdir(parents=True)
        (place / archive).write_bytes(b"PK")
        with pytest.raises(StudyError, match=f"; not unpacked there: {archive}: unpack it"):
            corpora.load(name, tmp_path / folder[0])
