"""What is in a corpus and what is wrong with it, as frames and as the text of the command line."""

import textwrap

import pandas as pd

from . import official
from .table import Corpus

WIDTH = 100


def counts(corpus: Corpus) -> pd.DataFrame:
    """One row per release and one for all: clips of each class, clips, subjects, left out."""
    parts = [(name, part) for name, part in corpus.clips.groupby("corpus", sort=True)]
    if len(parts) > 1:
        parts.append(("all", corpus.clips))
    left_out = corpus.exclusions["corpus"].value_counts()
    rows = {
        name: {label: int((part["label"] == label).sum()) for label in corpus.classes}
        | {"clips": len(part), "subjects": len(part[["corpus", "subject"]].drop_duplicates())}
        | {"left out": len(corpus.exclusions) if name == "all" else int(left_out.get(name, 0))}
        for name, part in parts
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("corpus")


def by_subject(corpus: Corpus) -> pd.DataFrame:
    """One row per (corpus, subject): clips of each class and in all."""
    table = pd.crosstab(
        [corpus.clips["corpus"], corpus.clips["subject"]], corpus.clips["label"]
    ).reindex(columns=list(corpus.classes), fill_value=0)
    return table.assign(clips=table.sum(axis=1)).rename_axis(columns=None)


def of_subject(corpus: Corpus, name: str, subject: str) -> pd.DataFrame:
    """The clips of one subject, in the order of the table."""
    clips = corpus.clips
    return clips[(clips["corpus"] == name) & (clips["subject"] == subject)]


def busiest(corpus: Corpus) -> list[pd.DataFrame]:
    """For each release, the clips of its subject with most clips; none without frame numbers."""
    numbered = corpus.clips[corpus.clips["onset"].notna()]
    return [
        of_subject(corpus, name, part["subject"].value_counts(sort=True).index[0])
        for name, part in numbered.groupby("corpus", sort=False)
    ]


def annotations_sentence(clips: pd.DataFrame) -> str:
    """Where the apex of one person's clips is between onset and offset, in one sentence."""
    coded = clips.dropna(subset=["onset", "apex", "offset"])
    person = f"{clips['corpus'].iloc[0]} {clips['subject'].iloc[0]}"
    if coded.empty:
        return f"None of the {len(clips)} clips of {person} has an annotated apex."
    share = (coded["apex"] - coded["onset"]) / (coded["offset"] - coded["onset"])
    return (
        f"{len(coded)} of {len(clips)} clips of {person} have an annotated apex, at "
        f"{100 * share.min():.0f} to {100 * share.max():.0f} % of the way from onset to offset."
    )


def subjects_sentence(corpus: Corpus) -> str:
    """How unevenly the clips are spread over the subjects, in one sentence."""
    table = by_subject(corpus)
    one_class = int(((table[list(corpus.classes)] > 0).sum(axis=1) == 1).sum())
    return (
        f"A subject gives {table['clips'].min()} to {table['clips'].max()} clips, the median is "
        f"{table['clips'].median():g}; {one_class} of {len(table)} subjects show one class only."
    )


def durations(corpus: Corpus) -> pd.DataFrame:
    """corpus, subject, clip, label, milliseconds from onset to offset; no row without frames."""
    clips = corpus.clips.dropna(subset=["onset", "offset", "fps"])
    frames = (clips["offset"] - clips["onset"] + 1).astype(float)
    columns = ["corpus", "subject", "clip", "label"]
    return clips[columns].assign(milliseconds=1000 * frames / clips["fps"])


def durations_sentence(clips: pd.DataFrame, limit: float = 500) -> str:
    """How long the clips of `durations` last, in one sentence."""
    times, names = clips["milliseconds"], " and ".join(clips["corpus"].unique())
    return (
        f"A clip of {names} lasts {times.min():.0f} to {times.max():.0f} ms from onset to offset, "
        f"the median is {times.median():.0f} ms; {(times > limit).sum()} of {len(clips)} are "
        f"longer than {limit:.0f} ms."
    )


def reasons(corpus: Corpus) -> pd.DataFrame:
    """Exclusions gathered by reason: corpus, reason, clips (number), which (names)."""
    named = corpus.exclusions.assign(
        which=corpus.exclusions["subject"]
        .str.cat(corpus.exclusions["clip"], sep="/")
        .str.strip("/")
    )
    groups = named.groupby(["corpus", "reason"], sort=False)["which"]
    table = groups.agg(clips="size", which=", ".join).reset_index()
    return table.sort_values(["corpus", "clips"], ascending=[True, False], ignore_index=True)


def warnings(corpus: Corpus) -> list[str]:
    """What would stop or bend an experiment on this corpus, one sentence each."""
    sentences = []
    subjects = corpus.clips[["corpus", "subject"]].drop_duplicates()
    if len(subjects) == 1:
        sentences.append(
            f"only one subject, {subjects.iloc[0]['subject']}: leaving one out needs two at least"
        )
    present = set(corpus.clips["label"])
    sentences += [
        f"class '{label}' has no clips: UF1 and UAR need every class"
        for label in corpus.classes
        if label not in present
    ]
    without = int((corpus.clips["apex_source"] == "").sum())
    if without and "frames" in corpus.views:
        sentences.append(
            f"clips without an annotated apex, to be spotted in their frames: {without}"
        )
    return sentences


def warnings_sentence(corpus: Corpus) -> str:
    """The warnings as one sentence, or that there are none."""
    sentences = "; ".join(warnings(corpus))
    return f"{sentences or 'nothing: every class has clips, and there are two people or more'}."


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
        for note, part in noted.groupby("note"):
            which = ", ".join(part["subject"].str.cat(part["clip"], sep="/"))
            lines += wrapped(f"{part['corpus'].iloc[0]}: {note}: {which}")
    lines += ["", f"Left out: {len(corpus.exclusions)}"]
    for row in reasons(corpus).itertuples():
        lines += wrapped(f"{row.corpus} {row.clips} x {row.reason}: {row.which}".strip())
    lines += ["", official.sentence(corpus)]
    lines.append(f"  clips and labels, as one fingerprint: {official.fingerprint_of(corpus)}")
    for row in official.difference(corpus).itertuples():
        clip = f"{row.corpus}/{row.subject}/{row.clip}".rstrip("/")
        message = {
            official.MISSING: f"{row.clips} {row.official} clip(s) of the list are missing here",
            official.OTHER_LABEL: f"is {row.label} here, {row.official} in the list",
            official.NOT_OFFICIAL: f"({row.label}) is not in the list",
        }[row.difference]
        lines += wrapped(f"{clip}{'' if row.clip else ':'} {message}")
    lines += [f"warning: {sentence}" for sentence in warnings(corpus)]
    return "\n".join(lines)


def wrapped(line: str, indent: int = 4) -> list[str]:
    """A line in lines of WIDTH; all but the first begin with `indent` blanks."""
    return textwrap.wrap(
        line, WIDTH, initial_indent="  ", subsequent_indent=" " * indent, break_long_words=False
    )
