"""What lies under data/raw: which releases are recognised, which are missing and where they go."""

import textwrap
from pathlib import Path

import pandas as pd

from .. import paths
from ..errors import StudyError
from . import CORPORA, RELEASES, SHARED, default_folder, load
from .frames import folders

COLUMNS = ("corpus", "place", "state", "clips", "subjects", "left out", "told")
READ, BROKEN, MISSING, OTHER = "read", "cannot be read", "missing", "other name"
WIDTH = 100

EXAMPLES = {  # what goes into a corpus's folder
    "synthetic": "made by `python -m mer_utils.synthetic`",
    "casme2": "CASME2-coding-20140508.xlsx and CASME2_RAW_selected/sub01/EP02_01f/img46.jpg",
    "samm": "SAMM_Micro_FACS_Codes_v2.xlsx and 006/006_1_2/006_05562.jpg",
    "smic": "SMIC_all_raw/HS/s1/micro/negative/s1_ne_01/image559740.bmp",
    "megc2019": "nothing of its own: casme2, samm and smic together",
    "megc2019_flow": "STSNet_whole_norm_u_v_os/*.png and combined_3_class2_for_optical_flow.csv",
    "own": "clips.csv with subject,clip,label,onset,apex,offset,path",
    "class_folders": "negative/*.mp4, positive/*.mp4, surprise/*.mp4 and clips.xlsx or clips.csv",
    "smic_e": "SMIC-HS-E_annotation.xlsx and HS_long/SMIC_HS_E/s01/s1_ne_01/image559740.jpg",
    "casme_squared": "CAS(ME)^2code_final.xlsx and rawpic/s15/15_0101disgustingteeth/img001.jpg",
    "casme_squared_macro": "the folder of casme_squared",
    "casme3": "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx and part_A/spNO.1/a/color/355.jpg",
    "casme3_c": "CAS(ME)3_part_C_ME.xlsx and part_C/1/a/color/355.jpg, in the folder of casme3",
    "afew": "Train_AFEW/Angry/000046280.avi and Val_AFEW/",
    "oulu_casia": "OriginalImg/VL/Strong/P001/Anger/000.jpeg",
}


def census() -> pd.DataFrame:
    """One row per corpus, columns COLUMNS, and one per folder of data/raw under another name."""
    rows = [_known(name) for name in CORPORA]
    if paths.RAW.is_dir():
        places = {default_folder(name) for name in CORPORA}
        rows += [_unknown(folder) for folder in folders(paths.RAW) if folder not in places]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(
        {"clips": "Int64", "subjects": "Int64", "left out": "Int64"}
    )


def _place(folder: Path) -> str:
    """Below the data folder: a report should not tell where on a disk that lies."""
    return folder.relative_to(paths.DATA).as_posix() if folder != paths.RAW else "raw"


def _known(name: str) -> tuple:
    folder = default_folder(name)
    needed = [folder / part for part in ("casme2", "samm", "smic")]
    missing = not folder.is_dir() or (name == "megc2019" and not all(p.is_dir() for p in needed))
    if missing:
        return name, _place(folder), MISSING, None, None, None, EXAMPLES[name]
    try:
        corpus = load(name)
    except StudyError as error:
        told = str(error).replace(f"{paths.DATA}/", "")
        # of two corpora that share a folder, one may be there without the other
        state = MISSING if name in SHARED and "has no annotation sheet" in told else BROKEN
        return name, _place(folder), state, None, None, None, told
    people = len(corpus.clips[["corpus", "subject"]].drop_duplicates())
    told = "; ".join(corpus.sources)
    return (
        *(name, _place(folder), READ),
        *(len(corpus.clips), people, len(corpus.exclusions), told),
    )


def _unknown(folder: Path) -> tuple:
    """Readers are tried on a folder that has no corpus's name; it is read only under one."""
    fits = []
    for name in (*RELEASES, "megc2019_flow", "own", "class_folders"):
        try:
            clips = len(load(name, folder).clips)
        except StudyError:
            continue
        fits += [(name, clips)] if clips else []
    told = "no reader recognises it: see data/README.md"
    if fits:
        names = " or ".join(f"{name} ({clips} clips)" for name, clips in fits)
        told = f"looks like {names}: rename it to raw/{fits[0][0]}, link it there, or give its path"
    return folder.name, _place(folder), OTHER, None, None, None, told


def text() -> str:
    """The census as the command line prints it."""
    table = census()
    lines = [f"Under {paths.DATA}:"]
    for state, title in (
        (READ, "read"),
        (BROKEN, "there, but it cannot be read"),
        (OTHER, "there, under a name that is no corpus"),
        (MISSING, "missing: where it goes, and what it looks like"),
    ):
        part = table[table["state"] == state]
        if len(part):
            lines += ["", f"{title}:"]
        for row in part.itertuples(index=False):
            line = f"{row.corpus} ({row.place}): {row.told}"
            if state == READ:
                left_out = row[COLUMNS.index("left out")]
                line = (
                    f"{row.corpus} ({row.place}): {row.clips} clips of {row.subjects} subjects, "
                    f"{left_out} left out"
                )
            lines += textwrap.wrap(
                line, WIDTH, initial_indent="  ", subsequent_indent="      ", break_long_words=False
            )
    lines += [
        "",
        "`python -m mer_utils.corpora NAME` tells more about one; data/README.md about all.",
    ]
    return "\n".join(lines)
