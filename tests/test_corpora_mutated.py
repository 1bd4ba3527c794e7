"""Small releases, changed at random: each is read, or refused in one sentence, or explained."""

import random
import shutil
from pathlib import Path

import pandas as pd
import pytest
from test_corpora_flow import write_flat, write_landmarks
from test_corpora_guards import write_part_c
from test_corpora_more import (
    write_afew,
    write_casme3,
    write_oulu,
    write_smic_e,
    write_squared,
)
from test_corpora_public import write_4dme, write_casme, write_dfme, write_mmew
from test_corpora_releases import (
    _no_errata_of_this_machine,  # noqa: F401  the fixture acts here too
    reasons,
    write_casme2,
    write_frames,
    write_samm,
    write_smic,
)

from mer_utils import corpora
from mer_utils.corpora import megc2019_flow, summary
from mer_utils.errors import StudyError


def write_class_folders(root):
    head = ("Subject", "Filename")
    pd.DataFrame([("01", "a"), ("02", "b")], columns=head).to_csv(root / "clips.csv", index=False)
    for film in ("negative/a", "positive/b", "surprise/01_a"):
        (root / film).parent.mkdir()
        (root / f"{film}.mp4").write_bytes(b"x")


def write_flow(root):
    write_flat(root)
    write_landmarks(root)
    (root / "action_units.csv").write_text("corpus,subject,clip,action_units\nsamm,6,006_1_2,12\n")


def write_films_of_part_c(root):
    write_part_c(root, {"negative": 2, "surprise": 1})
    write_frames(root / "part_C/1/a/color", range(8, 22), "{}.jpg")


RELEASES = {
    "casme2": write_casme2,
    "samm": write_samm,
    "smic": write_smic,
    "smic_e": write_smic_e,
    "casme_squared": write_squared,
    "casme3": write_casme3,
    "casme3_c": write_films_of_part_c,
    "casme": write_casme,
    "mmew": write_mmew,
    "4dme": write_4dme,
    "dfme": write_dfme,
    "afew": write_afew,
    "oulu_casia": write_oulu,
    "class_folders": write_class_folders,
    "megc2019_flow": write_flow,
}
WORDS = ["", "/", "?", "nan", "0", "-1", "1e400", "9" * 20, "１２", "46.5", "a" * 300, "..", "*"]
WORDS += ["s1234_ne_01", "1", "sub01", "EP02_01f", "negative", "²", "x/" + "y" * 300 + "/z", "\\"]
NAMES = ["1", "sub1", "S01", "*", "[a", " ", "frame", "²", "x.zip", "\udce9", "s0001", "p001"]


def change_cells(file: Path, chance: random.Random) -> None:
    """A cell or three become any word; a row or a column may go."""
    tabs = pd.read_excel(file, sheet_name=None, header=None, dtype=object)
    with pd.ExcelWriter(file) as book:
        for tab, grid in tabs.items():
            for _ in range(chance.randint(1, 3) if grid.size else 0):
                place = chance.randrange(len(grid)), chance.randrange(grid.shape[1])
                grid.iat[place] = chance.choice([*WORDS, 0, -5, 3.7, 10**20, None, True])
            if len(grid) > 1 and chance.random() < 0.2:
                grid = grid.drop(index=chance.randrange(len(grid)))
            if grid.shape[1] > 1 and chance.random() < 0.1:
                grid = grid.drop(columns=chance.randrange(grid.shape[1]))
            grid.to_excel(book, sheet_name=tab, header=False, index=False)


def change(root: Path, chance: random.Random) -> None:
    """One thing in a release that people, disks and archives change."""
    below = sorted(root.rglob("*"))
    sheets = [path for path in below if path.suffix in (".xlsx", ".csv") and path.is_file()]
    path = chance.choice(below)
    kind = chance.choice(["cells", "cells", "bytes", "rename", "remove", "kind", "link"])
    if kind == "cells" and sheets and (sheet := chance.choice(sheets)).suffix == ".xlsx":
        change_cells(sheet, chance)
    elif kind == "bytes" and (files := sheets or [one for one in below if one.is_file()]):
        path = chance.choice(files)
        content = bytearray(path.read_bytes())
        for _ in range(chance.randint(1, 8) if content else 0):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path.write_bytes(content[: chance.randint(0, len(content))])
    elif kind == "rename":
        path.rename(path.with_name(chance.choice([*NAMES, path.name.upper(), f"{path.name} (1)"])))
    elif kind == "link":
        path.with_name("loop").symlink_to(chance.choice(["loop", ".", "nowhere"]))
    elif path.is_dir():
        shutil.rmtree(path)
        if kind == "kind":
            path.write_bytes(b"x")
    else:
        path.unlink()
        if kind == "kind":
            path.mkdir()


@pytest.mark.parametrize("name", RELEASES)
def test_any_change_is_read_or_refused(tmp_path, name):
    for seed in range(4):
        chance, root = random.Random(f"{name}{seed}"), tmp_path / str(seed)
        root.mkdir()
        RELEASES[name](root)
        for _ in range(4):
            try:
                change(root, chance)
            except Exception:  # cannot be made: an earlier change damaged what it needs
                continue
            try:
                corpus = corpora.load(name, root)
                summary.text(corpus).encode()
                if "landmarks" in corpus.views and name == "megc2019_flow":
                    megc2019_flow.landmarks(corpus)
            except StudyError as error:
                assert "\n" not in str(error)


def test_a_link_to_itself_and_a_name_of_another_system(tmp_path):
    write_class_folders(tmp_path)
    (tmp_path / "clips.csv").write_text("Subject,Filename\n01,a\n02,b\n", encoding="utf-8")
    (tmp_path / "negative/loop").symlink_to("loop")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "positive/02_\udce9.mp4").write_bytes(b"x")
    (tmp_path / "\udce9").mkdir()
    corpus = corpora.load("class_folders", tmp_path)
    assert len(corpus.clips) == 1 and "/02_\\udce9" in reasons(corpus)
    write_afew(tmp_path / "afew")
    (tmp_path / "afew/Train_AFEW/Angry/\udce9.avi").write_bytes(b"x")
    corpus = corpora.load("afew", tmp_path / "afew")
    told = "a name on its path is no UTF-8 text: rename it, or unpack the archive as UTF-8"
    assert reasons(corpus)["unknown/train_\\udce9"] == told
    summary.text(corpus).encode()


def test_a_clip_whose_name_says_an_impossible_subject(tmp_path):
    root = write_smic_e(tmp_path)
    file = next(root.rglob("*.xlsx"))
    sheet = pd.read_excel(file, sheet_name="HS", header=None, dtype=object)
    sheet.iat[1, 1] = "s1234_ne_01"
    sheet.to_excel(file, sheet_name="HS", header=False, index=False)
    why = reasons(corpora.load("smic_e", root))
    assert why["s01/s1234_ne_01"].startswith("no folder s01/s1234_ne_01 in")
