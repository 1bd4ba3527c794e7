"""How a copy differs from the official MEGC2019 list, without shipping that list.

`official.csv` has a row per corpus, subject and class of the official list: how many clips it has
there, and a fingerprint of each. A clip can be looked up in it, but not read off it. To make the
table again from the challenge's own csv: `python -m mer_utils.corpora.official LIST.csv`.
"""

import hashlib
import sys
from pathlib import Path

import pandas as pd

from ..errors import StudyError
from . import ids, lists
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
    groups = clips.groupby(["corpus", "subject", "label"], sort=True)["fingerprint"]
    table = groups.agg(clips="size", fingerprints=lambda prints: " ".join(sorted(prints)))
    return table.reset_index()


def table() -> pd.DataFrame:
    """Columns corpus, subject, label, clips (int), fingerprints (separated by blanks)."""
    return pd.read_csv(TABLE, dtype=str, keep_default_na=False).astype({"clips": int})


def difference(corpus: Corpus) -> pd.DataFrame:
    """One row per difference (columns COLUMNS); none where the clips and labels are the same.

    `label` is what this copy says, `official` what the list says. Missing clips are counted per
    subject and class; they are named where a copy of the official csv lies beside the data.
    Only the releases this corpus contains are compared; synthetic clips never are.
    """
    known = table()
    known = known[known["corpus"].isin(compared(corpus))]
    unseen = {
        (row.corpus, row.subject, row.label): set(row.fingerprints.split())
        for row in known.itertuples()
    }
    rows = []
    for clip in corpus.clips[corpus.clips["corpus"].isin(known["corpus"])].itertuples():
        key = (clip.corpus, clip.subject, clip.clip)
        says = [c for c in CLASSES if fingerprint(*key, c) in unseen.get((*key[:2], c), ())]
        for label in says:
            unseen[(*key[:2], label)].discard(fingerprint(*key, label))
        if not says:
            rows.append((*key, clip.label, "", 1, NOT_OFFICIAL))
        elif clip.label not in says:
            rows.append((*key, clip.label, says[0], 1, OTHER_LABEL))
    names = _names_beside(corpus)
    for (name, subject, label), prints in unseen.items():
        named = sorted(names[print_] for print_ in prints if print_ in names)
        rows += [(name, subject, clip, "", label, 1, MISSING) for clip in named]
        if len(prints) > len(named):
            rows.append((name, subject, "", "", label, len(prints) - len(named), MISSING))
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    return found.sort_values(["difference", *KEY], ignore_index=True)


def compared(corpus: Corpus) -> list[str]:
    """The releases whose part of the official list this corpus is compared with."""
    if corpus.synthetic or corpus.classes != CLASSES:
        return []
    if corpus.release in ids.RELEASES:
        return [corpus.release]
    return list(ids.RELEASES) if corpus.release.startswith("megc2019") else []


def fingerprint_of(corpus: Corpus) -> str:
    """First 16 digits of the sha256 of the sorted clips and labels: one list, one fingerprint.

    Two copies that show the same one hold the same clips under the same labels, whatever their
    counts: 145 clips can be another 145.
    """
    lines = corpus.clips[[*KEY, "label"]].agg("/".join, axis=1) if len(corpus.clips) else []
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]


def sentence(corpus: Corpus) -> str:
    """The comparison in one sentence: with the official list, else with the counts of a copy."""
    parts = compared(corpus)
    if corpus.synthetic:
        return "Synthetic clips are not compared with the official MEGC2019 list."
    if not parts:
        counts = corpus.clips["label"].value_counts().to_dict()
        known = corpus.scheme.difference(counts) if corpus.scheme else ""
        return known or f"No official list of {corpus.name} is known to compare these clips with."
    known = table()
    clips = int(known.loc[known["corpus"].isin(parts), "clips"].sum())
    part = "" if len(parts) == len(ids.RELEASES) else f" ({', '.join(parts)} part)"
    counts = difference(corpus).groupby("difference")["clips"].sum()
    if counts.empty:
        return f"The same {clips} clips with the same labels as the official MEGC2019 list{part}."
    told = [
        f"{counts[kind]} {kind}" for kind in (MISSING, OTHER_LABEL, NOT_OFFICIAL) if kind in counts
    ]
    return (
        f"{len(corpus.clips)} clips where the official MEGC2019 list{part} has {clips}: "
        f"{', '.join(told)}."
    )


def _names_beside(corpus: Corpus) -> dict[str, str]:
    """Fingerprint -> clip from a copy of the official csv in the data folder or beside it."""
    names = {}
    for path in lists.find([corpus.path, corpus.path.parent], lists.NAMES):
        for row in lists.read(path).itertuples():
            names[fingerprint(row.corpus, row.subject, row.clip, row.label)] = row.clip
    return names


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(__doc__)
        return 0 if arguments in (["-h"], ["--help"]) else 2
    try:
        made = make_table(Path(arguments[0]))
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    made.to_csv(TABLE, index=False, lineterminator="\n")
    print(f"{TABLE}: {made['clips'].sum()} clips in {len(made)} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
