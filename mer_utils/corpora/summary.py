"""What is in a corpus and in data/raw, and what is wrong there: frames, and text for the terminal.

`counts`, `by_subject`, `durations`, `reasons` and `warnings` are of one corpus; `census` says which
releases are recognised under data/raw, which are missing and where they go.
"""

import re
import textwrap
from contextlib import suppress
from pathlib import Path

import pandas as pd

from .. import paths
from ..errors import StudyError
from . import OWN, RELEASES, default_folder, load, official, release_of
from .frames import folders
from .table import KEY, Corpus, some, unknown_words

UNKNOWN_SHARE = 0.05  # of all clips: more is no slip of the pen
READ, BROKEN, MISSING, OTHER = "read", "cannot be read", "missing", "other name"
TITLES = {
    READ: "read",
    BROKEN: "there, but it cannot be read",
    OTHER: "there, under a name that is no corpus",
    MISSING: "missing: where it goes, and what it looks like",
}
DIFFERENCES = {
    official.MISSING: "{0.clips} {0.official} clip(s) of the list are missing here",
    official.OTHER_LABEL: "is {0.label} here, {0.official} in the list",
    official.NOT_OFFICIAL: "({0.label}) is not in the list",
}


# --- one corpus -----------------------------------------------------------------------------------


def counts(corpus: Corpus) -> pd.DataFrame:
    """One row per release and one for all: clips of each class, clips, subjects, left out."""
    releases = by_subject(corpus).groupby("corpus")
    left_out = corpus.exclusions["corpus"].value_counts()
    table = releases.sum().assign(subjects=releases.size())
    table["left out"] = left_out.reindex(table.index, fill_value=0)
    if len(table) > 1:
        table.loc["all"] = table.sum()
        table.loc["all", "left out"] = len(corpus.exclusions)
    return table


def by_subject(corpus: Corpus) -> pd.DataFrame:
    """One row per (corpus, subject): clips of each class and in all."""
    clips = corpus.clips
    table = pd.crosstab([clips["corpus"], clips["subject"]], clips["label"])
    table = table.reindex(columns=list(corpus.classes), fill_value=0).rename_axis(columns=None)
    return table.assign(clips=table.sum(axis=1))


def of_subject(corpus: Corpus, name: str, subject: str) -> pd.DataFrame:
    """The clips of one subject, in the order of the table."""
    return corpus.clips[(corpus.clips["corpus"] == name) & (corpus.clips["subject"] == subject)]


def durations(corpus: Corpus) -> pd.DataFrame:
    """corpus, subject, clip, label, milliseconds from onset to offset; no row without frames."""
    clips = corpus.clips.dropna(subset=["onset", "offset", "fps"])
    frames = (clips["offset"] - clips["onset"] + 1).astype(float)
    return clips[[*KEY, "label"]].assign(milliseconds=1000 * frames / clips["fps"])


def reasons(exclusions: pd.DataFrame) -> pd.DataFrame:
    """Exclusions by reason, which may differ in names and numbers: corpus, reason, clips, which."""
    which = exclusions["subject"].str.cat(exclusions["clip"], sep="/").str.strip("/")
    kinds = [_kind(*row) for row in exclusions[["subject", "clip", "reason"]].to_numpy()]
    groups = exclusions.assign(which=which).groupby(["corpus", kinds], sort=False)
    table = groups.agg(reason=("reason", "first"), clips=("which", "size"), which=("which", some))
    several = groups["reason"].nunique() > 1
    table.loc[several, "reason"] = "such as: " + table.loc[several, "reason"]
    table = table.droplevel(1).reset_index()
    by = {"by": ["corpus", "clips"], "ascending": [True, False]}
    return table.sort_values(**by, kind="stable", ignore_index=True)


def _kind(subject: str, clip: str, reason: str) -> str:
    """A reason without numbers and without the names of its clip, its file and its subject."""
    texts = (clip, Path(clip).stem, subject, reason)
    *names, kind = (re.sub("[0-9]+", "#", text.lower()) for text in texts)
    for name in filter(None, names):
        kind = kind.replace(name, "")
    return kind


def warnings(corpus: Corpus) -> list[str]:
    """What would stop or bend an experiment on this corpus, one sentence each."""
    people, sentences = by_subject(corpus), []
    if len(people) == 1:
        person = people.index[0][1]
        sentences.append(f"only one subject, {person}: leaving one out needs two at least")
    absent = [label for label in corpus.classes if not people[label].any()]
    sentences += [f"class '{label}' has no clips: UF1 and UAR need every class" for label in absent]
    without = (corpus.clips["apex_source"] == "").sum()
    if without and "frames" in corpus.views:
        spotted = "clips without an annotated apex, to be spotted in their frames"
        sentences.append(f"{spotted}: {without}")
    count, words = unknown_words(corpus.exclusions["reason"])
    total = len(corpus.clips) + len(corpus.exclusions)
    if count > UNKNOWN_SHARE * total:
        scheme = corpus.scheme.title if corpus.scheme else "its scheme"
        sentences.append(f"{count} of {total} clips have emotions unknown in {scheme}: {words}")
    return sentences


def text(corpus: Corpus) -> str:
    """The report of the command line."""
    lines = [f"corpus {corpus.name}: {corpus.path}"]
    if corpus.synthetic:
        lines.append("SYNTHETIC: no people in these clips, and no evidence about any.")
    lines += [f"  {sentence}" for sentence in corpus.sources]
    lines.append(f"  views it can offer: {', '.join(corpus.views)}")
    if len(corpus.clips):
        lines += ["", counts(corpus).to_string(), "", by_subject(corpus).to_string()]
    noted = corpus.clips[corpus.clips["note"] != ""]
    if len(noted):
        lines += ["", f"Notes on {len(noted)} clips that are kept:"]
    for (note, name), part in noted.groupby(["note", "corpus"]):
        which = some(part["subject"].str.cat(part["clip"], sep="/"))
        lines += wrapped(f"{name}: {note}: {which}")
    lines += ["", f"Left out: {len(corpus.exclusions)}"]
    for row in reasons(corpus.exclusions).itertuples():
        lines += wrapped(f"{row.corpus} {row.clips} x {row.reason}: {row.which}".strip())
    lines += ["", official.sentence(corpus)]
    lines.append(f"  clips and labels, as one fingerprint: {official.fingerprint_of(corpus)}")
    lines += differences(official.difference(corpus))
    lines += [f"warning: {sentence}" for sentence in warnings(corpus)]
    return "\n".join(lines)


def differences(table: pd.DataFrame) -> list[str]:
    """A line for each row of `official.of_clips`."""
    lines = []
    for row in table.itertuples():
        place = f"{row.corpus}/{row.subject}" + (f"/{row.clip}" if row.clip else ":")
        lines += wrapped(f"{place} {DIFFERENCES[row.difference].format(row)}")
    return lines


def wrapped(line: str, indent: int = 4) -> list[str]:
    """A line in lines of 100 letters; all but the first begin with `indent` blanks."""
    indents = {"initial_indent": "  ", "subsequent_indent": " " * indent}
    return textwrap.wrap(line, 100, break_long_words=False, **indents)


# --- data/raw -------------------------------------------------------------------------------------


def census() -> pd.DataFrame:
    """One row per corpus and one per folder of data/raw under another name.

    Columns: corpus, place, state, clips, subjects, left out, message.
    """
    raw = folders(paths.RAW) if paths.RAW.is_dir() else []
    names = [*RELEASES, *(folder.name for folder in raw if OWN.fullmatch(folder.name))]
    places = {name: default_folder(name) for name in names}
    unknown = [folder for folder in raw if folder not in places.values()]
    rows = [_corpus(name, place) for name, place in places.items()]
    rows += [_unknown(folder) for folder in unknown]
    numbers = dict.fromkeys(("clips", "subjects", "left out"), "Int64")
    columns = ["corpus", "place", "state", *numbers, "message"]
    return pd.DataFrame(rows, columns=columns).astype(numbers)


def _corpus(name: str, folder: Path) -> dict:
    release = release_of(name)
    # below the data folder: a report must not name folders of this machine
    row = {"corpus": name, "place": folder.relative_to(paths.DATA).as_posix()}
    needed = [folder / part.name for part in release.parts] or [folder]
    if not all(path.is_dir() for path in needed):
        return row | {"state": MISSING, "message": release.example}
    try:
        corpus = load(name)
    except StudyError as error:
        message = str(error).replace(f"{paths.DATA}/", "")
        # of two corpora that share a folder, one may be there without the other
        alone = release.folder is not None and "has no annotation sheet" in message
        return row | {"state": MISSING if alone else BROKEN, "message": message}
    people = len(by_subject(corpus))
    row |= {"clips": len(corpus.clips), "subjects": people, "left out": len(corpus.exclusions)}
    return row | {"state": READ, "message": "; ".join(corpus.sources)}


def _unknown(folder: Path) -> dict:
    """Every reader is tried on a folder that has no corpus's name."""
    matches = {}
    for name, release in RELEASES.items():
        with suppress(StudyError):
            if not release.parts and (clips := len(load(name, folder).clips)):
                matches[name] = f"{name} ({clips} clips)"
    message = "no reader recognises it: see data/README.md"
    if matches:
        like, place = " or ".join(matches.values()), f"raw/{next(iter(matches))}"
        message = f"looks like {like}: rename it to {place}, link it there, or give its path"
    place = folder.relative_to(paths.DATA).as_posix()
    return {"corpus": folder.name, "place": place, "state": OTHER, "message": message}


def census_text() -> str:
    """The census as the command line prints it."""
    table = census()
    lines = [f"Under {paths.DATA}:"]
    for state, title in TITLES.items():
        part = table[table["state"] == state].to_dict("records")
        lines += ["", f"{title}:"] if part else []
        for row in part:
            message = row["message"]
            if state == READ:
                message = "{clips} clips of {subjects} subjects, {left out} left out".format(**row)
            lines += wrapped(f"{row['corpus']} ({row['place']}): {message}", indent=6)
    command = "`./run_all.sh corpora NAME`"
    return "\n".join([*lines, "", f"{command} says more about one; data/README.md about all."])
