"""How a copy differs from the official MEGC2019 list, without shipping that list.

`official.csv` has a row per corpus, subject and class of the official list: how many clips it has
there, and a fingerprint of each. A clip can be looked up in it, but not read off it. To make the
table again from the challenge's own csv: `./run_all.sh official LIST.csv`.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from . import lists
from .ids import MEGC2019
from .sheets import text_table
from .table import CLASSES, KEY, Corpus

TABLE = Path(__file__).with_name("official.csv")
SALT = "MEGC2019 official list, version 1: "
COLUMNS = (*KEY, "label", "official", "clips", "difference")
NOT_OFFICIAL, OTHER_LABEL, MISSING = "not in the official list", "other label", "missing here"


def fingerprint(corpus: str, subject: str, clip: str, label: str) -> str:
    """First 8 hexadecimal digits of the salted sha256 of "corpus/subject/clip/label"."""
    text = f"{SALT}{corpus}/{subject}/{clip}/{label}"
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def make_table(official: Path) -> pd.DataFrame:
    """The challenge's csv (corpus, subject, clip, label; 442 rows) -> the table of fingerprints."""
    clips = lists.read(official)
    clips["fingerprint"] = [fingerprint(*row) for row in clips[[*KEY, "label"]].to_numpy()]
    groups = clips.groupby(["corpus", "subject", "label"])["fingerprint"]
    table = groups.agg(clips="size", fingerprints=lambda prints: " ".join(sorted(prints)))
    return table.reset_index()


def write_table(official: Path) -> str:
    """Writes `official.csv` anew from the challenge's csv. Returns a sentence on it."""
    prints = make_table(official)
    prints.to_csv(TABLE, index=False, lineterminator="\n")
    return f"{TABLE}: {prints['clips'].sum()} clips in {len(prints)} rows"


def table() -> pd.DataFrame:
    """Columns corpus, subject, label, clips (int), fingerprints (separated by blanks)."""
    return text_table(TABLE).astype({"clips": int}).reset_index(drop=True)


def difference(corpus: Corpus) -> pd.DataFrame:
    """`of_clips` of a corpus; only the releases that it contains are compared, never synthetic."""
    return of_clips(corpus.clips, compared(corpus), [corpus.path, corpus.path.parent])


def of_clips(clips: pd.DataFrame, parts: Sequence[str], places: Sequence[Path]) -> pd.DataFrame:
    """One row per difference (columns COLUMNS); none where the clips and labels are the same.

    `label` is what these clips say, `official` what the list says, of the releases `parts`. Missing
    clips are counted per subject and class; they are named where one of the folders `places` holds
    the official csv.
    """
    listed = {
        one: (row.corpus, row.subject, row.label)
        for row in table().itertuples()
        for one in row.fingerprints.split()
        if row.corpus in parts
    }
    rows = []
    clips = clips[clips["corpus"].isin(parts)]
    for *key, label in clips[[*KEY, "label"]].to_numpy():
        labels = [name for name in CLASSES if listed.pop(fingerprint(*key, name), None)]
        if label not in labels:
            kind = OTHER_LABEL if labels else NOT_OFFICIAL
            rows.append((*key, label, "".join(labels[:1]), 1, kind))
    files = lists.find(places) if listed else []
    clips = [row for path in files for row in lists.read(path)[[*KEY, "label"]].to_numpy()]
    names = {fingerprint(*row): row[2] for row in clips}
    for one, (name, subject, label) in listed.items():
        rows.append((name, subject, names.get(one, ""), "", label, 1, MISSING))
    differences = pd.DataFrame(rows, columns=list(COLUMNS))
    same = [name for name in COLUMNS if name != "clips"]
    counted = differences.groupby(same, as_index=False)["clips"].sum()
    return counted.sort_values(["difference", *KEY], ignore_index=True)[list(COLUMNS)]


def compared(corpus: Corpus) -> list[str]:
    """The releases whose part of the official list this corpus is compared with."""
    if corpus.synthetic or corpus.classes != CLASSES:
        return []
    whole = corpus.release.startswith("megc2019")
    return [name for name in MEGC2019 if whole or name == corpus.release]


def fingerprint_of(corpus: Corpus) -> str:
    """First 16 digits of the sha256 of the sorted clips and labels: one list, one fingerprint.

    Two copies with the same one hold the same clips under the same labels, which equal counts do
    not say.
    """
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
    if counts.empty:
        same = f"The same {official} clips with the same labels"
        return f"{same} as the official MEGC2019 list{part}."
    kinds = [kind for kind in (MISSING, OTHER_LABEL, NOT_OFFICIAL) if kind in counts]
    differing = ", ".join(f"{counts[kind]} {kind}" for kind in kinds)
    return f"{clips} clips where the official MEGC2019 list{part} has {official}: {differing}."
