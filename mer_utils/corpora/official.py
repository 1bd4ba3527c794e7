"""The official MEGC2019 list: copies of it as they circulate, and how a corpus differs from it.

The list is not shipped. `official.csv` has a row per corpus, subject and class of it: how many
clips it has there, and a fingerprint of each. A clip can be looked up in it, but not read off it.
To make the table again from the challenge's own csv: `./run_all.sh official LIST.csv`.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..errors import StudyError
from . import sheets
from .ids import MEGC2019, megc2019_key
from .table import CLASSES, KEY, Corpus

NAMES = (  # of complete copies, best first; then of those of one corpus
    "combined_3_class2_for_optical_flow*.csv",
    "combined_3class_gt*.csv",
    "combined_3_class_gt*.csv",
)
PART_NAMES = ("casme_class2_for_optical_flow.csv", "samm_class2*.csv", "smic_class2*.csv")
FIELDS = {
    "corpus": ("dataset", "data", "corpus"),
    "subject": ("sub", "subject"),
    "clip": ("filename_o", "clip", "filename"),
    "label": ("label",),
}
TABLE = Path(__file__).with_name("official.csv")
SALT = "MEGC2019 official list, version 1: "
COLUMNS = [*KEY, "label", "official", "difference"]
NOT_OFFICIAL, OTHER_LABEL, MISSING = "not in the official list", "other label", "missing here"


def find(places: Sequence[Path], names: Sequence[str] = NAMES) -> list[Path]:
    """Copies in `places`, best name first; a folder that is not there holds none."""
    files = [file for name in names for place in places for file in sorted(place.glob(name))]
    return list(dict.fromkeys(files))


def read(path: Path) -> pd.DataFrame:
    """Columns corpus, subject, clip, label of a copy, with a header or without, in its order.

    Raises StudyError with the line.
    """
    rows = [(line, cells) for line, cells in sheets.csv_rows(path) if any(cells)]
    if not rows:
        raise StudyError(f"{path} is empty: a clip list has rows such as casme2,sub01,EP02_01f,1")
    columns = dict(zip(FIELDS, range(4), strict=True))
    if "corpus" in sheets.columns_of(rows[0][1], FIELDS):
        columns = sheets.check_columns(path, rows.pop(0)[1], FIELDS)
    clips: dict[tuple[str, str, str], tuple[str, int]] = {}  # key -> label, line
    for line, cells in rows:
        place = f"{path} line {line}"
        if len(cells) <= max(columns.values()):
            raise StudyError(f"{place} has {len(cells)} columns: expected 4 at least")
        *names, text = (cells[columns[field]] for field in FIELDS)
        try:
            key = megc2019_key(*names)
        except ValueError as error:
            raise StudyError(f"{place}: {error}") from error
        label = text.lower().removesuffix(".0")
        label = CLASSES[int(label)] if label in ("0", "1", "2") else label
        if label not in CLASSES:
            wrong = f"label '{text}' is none of 0 (negative), 1 (positive), 2 (surprise)"
            raise StudyError(f"{place}: {wrong}")
        _, first = clips.setdefault(key, (label, line))
        if first != line:
            raise StudyError(f"{path} lists {'/'.join(key)} twice, in lines {first} and {line}")
    return pd.DataFrame([(*key, clips[key][0]) for key in clips], columns=[*KEY, "label"])


def fingerprint(corpus: str, subject: str, clip: str, label: str) -> str:
    """First 8 hexadecimal digits of the salted sha256 of "corpus/subject/clip/label"."""
    text = f"{SALT}{corpus}/{subject}/{clip}/{label}"
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def make_table(official: Path) -> pd.DataFrame:
    """The challenge's csv (corpus, subject, clip, label; 442 rows) -> the table of fingerprints."""
    clips = read(official)
    clips["fingerprint"] = [fingerprint(*row) for row in clips.to_numpy()]
    groups = clips.groupby(["corpus", "subject", "label"], as_index=False)["fingerprint"]
    return groups.agg(clips="size", fingerprints=lambda prints: " ".join(sorted(prints)))


def write_table(official: Path) -> str:
    """Writes `official.csv` anew from the challenge's csv. Returns a sentence on it."""
    prints = make_table(official)
    prints.to_csv(TABLE, index=False, lineterminator="\n")
    return f"{TABLE}: {prints['clips'].sum()} clips in {len(prints)} rows"


def table() -> pd.DataFrame:
    """Columns corpus, subject, label, clips (int), fingerprints (separated by blanks)."""
    return sheets.text_table(TABLE).astype({"clips": int}).reset_index(drop=True)


def difference(corpus: Corpus) -> pd.DataFrame:
    """`of_clips` of a corpus, of the releases that it contains."""
    return of_clips(corpus.clips, compared(corpus), [corpus.path, corpus.path.parent])


def of_clips(clips: pd.DataFrame, parts: Sequence[str], places: Sequence[Path]) -> pd.DataFrame:
    """One row per difference from the list of the releases `parts`, COLUMNS and number of clips.

    `label` is what these clips say, `official` what the list says. Missing clips are counted per
    subject and class, and named where one of the folders `places` holds the official csv.
    """
    listed = {}  # fingerprint -> corpus, subject, label
    for row in table().query("corpus in @parts").itertuples():
        prints = row.fingerprints.split()
        listed |= dict.fromkeys(prints, (row.corpus, row.subject, row.label))
    rows = []
    for *key, label in clips.loc[clips["corpus"].isin(parts), [*KEY, "label"]].to_numpy():
        labels = [name for name in CLASSES if listed.pop(fingerprint(*key, name), None)]
        if label not in labels:
            kind = OTHER_LABEL if labels else NOT_OFFICIAL
            rows.append((*key, label, "".join(labels[:1]), kind))
    tables = [read(path).to_numpy() for path in (find(places) if listed else ())]
    names = {fingerprint(*row): row[2] for rows_of_list in tables for row in rows_of_list}
    for print_, (name, subject, label) in listed.items():
        rows.append((name, subject, names.get(print_, ""), "", label, MISSING))
    counted = pd.DataFrame(rows, columns=COLUMNS).groupby(COLUMNS, as_index=False).size()
    counted.insert(5, "clips", counted.pop("size"))
    return counted.sort_values(["difference", *KEY], ignore_index=True)


def compared(corpus: Corpus) -> list[str]:
    """The releases whose part of the official list this corpus is compared with."""
    if corpus.synthetic or corpus.classes != CLASSES:
        return []
    whole = corpus.release.startswith("megc2019")
    return [name for name in MEGC2019 if whole or name == corpus.release]


def fingerprint_of(corpus: Corpus) -> str:
    """First 16 digits of the sha256 of the sorted clips and labels: one list, one fingerprint."""
    lines = ["/".join(row) for row in corpus.clips[[*KEY, "label"]].to_numpy()]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]


def sentence(corpus: Corpus) -> str:
    """The comparison in one sentence: with the official list, else with the counts of a copy."""
    if corpus.synthetic:
        return "Synthetic clips are not compared with the official MEGC2019 list."
    if parts := compared(corpus):
        return compare_sentence(len(corpus.clips), parts, difference(corpus))
    counts = corpus.clips["label"].value_counts().to_dict()
    counted = corpus.scheme.difference(counts) if corpus.scheme else ""
    return counted or f"There is no official list of {corpus.name} to compare these clips with."


def compare_sentence(clips: int, parts: Sequence[str], differences: pd.DataFrame) -> str:
    """How so many clips of the releases `parts` differ from the official list, in one sentence."""
    official = table().query("corpus in @parts")["clips"].sum()
    part = "" if len(parts) == len(MEGC2019) else f" ({', '.join(parts)} part)"
    counts = differences.groupby("difference")["clips"].sum()
    name = f"the official MEGC2019 list{part}"
    if counts.empty:
        return f"The same {official} clips with the same labels as {name}."
    kinds = [kind for kind in (MISSING, OTHER_LABEL, NOT_OFFICIAL) if kind in counts]
    differing = ", ".join(f"{counts[kind]} {kind}" for kind in kinds)
    return f"{clips} clips where {name} has {official}: {differing}."
