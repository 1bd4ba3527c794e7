"""What is in a corpus and what is wrong with it, as frames and as the text of the command line."""

import re
import textwrap
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from . import official
from .table import KEY, Corpus, unknown_words

SHOWN = 10  # names of clips in a row; all of them are in `Corpus.exclusions` and `Corpus.clips`
UNKNOWN_SHARE = 0.05  # of all clips: more is no slip of the pen


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
    clips = corpus.clips
    return clips[(clips["corpus"] == name) & (clips["subject"] == subject)]


def busiest(corpus: Corpus) -> list[pd.DataFrame]:
    """For each release, the clips of its subject with most clips; none without frame numbers."""
    parts = corpus.clips[corpus.clips["onset"].notna()].groupby("corpus", sort=False)["subject"]
    return [of_subject(corpus, name, people.value_counts().index[0]) for name, people in parts]


def annotations_sentence(clips: pd.DataFrame) -> str:
    """Where the apex of one person's clips is between onset and offset, in one sentence."""
    coded = clips.dropna(subset=["onset", "apex", "offset"])
    person = f"{clips['corpus'].iloc[0]} {clips['subject'].iloc[0]}"
    if coded.empty:
        return f"None of the {len(clips)} clips of {person} has an annotated apex."
    share = 100 * (coded["apex"] - coded["onset"]) / (coded["offset"] - coded["onset"])
    place = f"at {share.min():.0f} to {share.max():.0f} % of the way from onset to offset"
    return f"{len(coded)} of {len(clips)} clips of {person} have an annotated apex, {place}."


def subjects_sentence(corpus: Corpus) -> str:
    """How unevenly the clips are spread over the subjects, in one sentence."""
    table = by_subject(corpus)
    clips = table.pop("clips")
    one_class = ((table > 0).sum(axis=1) == 1).sum()
    return (
        f"A subject gives {clips.min()} to {clips.max()} clips, the median is "
        f"{clips.median():g}; {one_class} of {len(table)} subjects show one class only."
    )


def durations(corpus: Corpus) -> pd.DataFrame:
    """corpus, subject, clip, label, milliseconds from onset to offset; no row without frames."""
    clips = corpus.clips.dropna(subset=["onset", "offset", "fps"])
    frames = (clips["offset"] - clips["onset"] + 1).astype(float)
    return clips[[*KEY, "label"]].assign(milliseconds=1000 * frames / clips["fps"])


def durations_sentence(clips: pd.DataFrame, limit: float = 500) -> str:
    """How long the clips of `durations` last, in one sentence."""
    times, names = clips["milliseconds"], " and ".join(clips["corpus"].unique())
    span, longer = f"{times.min():.0f} to {times.max():.0f} ms", (times > limit).sum()
    return (
        f"A clip of {names} lasts {span} from onset to offset, the median is "
        f"{times.median():.0f} ms; {longer} of {len(clips)} are longer than {limit:.0f} ms."
    )


def reasons(exclusions: pd.DataFrame) -> pd.DataFrame:
    """Exclusions by reason, which may differ in names and numbers: corpus, reason, clips, which."""
    which = exclusions["subject"].str.cat(exclusions["clip"], sep="/").str.strip("/")
    groups = exclusions.assign(which=which).groupby(["corpus", _kinds(exclusions)], sort=False)
    table = groups.agg(reason=("reason", "first"), clips=("which", "size"), which=("which", some))
    several = groups["reason"].nunique() > 1
    table.loc[several, "reason"] = "such as: " + table.loc[several, "reason"]
    table = table.droplevel(1).reset_index().sort_values("clips", ascending=False, kind="stable")
    return table.sort_values("corpus", kind="stable", ignore_index=True)


def _kinds(exclusions: pd.DataFrame) -> list[str]:
    """Reasons without numbers and without the names of their clip, its file and its subject."""
    kinds = []
    for subject, clip, reason in exclusions[["subject", "clip", "reason"]].to_numpy():
        texts = (clip, Path(clip).stem, subject, reason)
        *names, kind = (re.sub("[0-9]+", "#", text.lower()) for text in texts)
        for name in filter(None, names):
            kind = kind.replace(name, "")
        kinds.append(kind)
    return kinds


def some(names: Iterable[str]) -> str:
    """The first names of a long list, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


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
    messages = {
        official.MISSING: "{0.clips} {0.official} clip(s) of the list are missing here",
        official.OTHER_LABEL: "is {0.label} here, {0.official} in the list",
        official.NOT_OFFICIAL: "({0.label}) is not in the list",
    }
    lines = []
    for row in table.itertuples():
        place = f"{row.corpus}/{row.subject}" + (f"/{row.clip}" if row.clip else ":")
        lines += wrapped(f"{place} {messages[row.difference].format(row)}")
    return lines


def wrapped(line: str, indent: int = 4) -> list[str]:
    """A line in lines of 100 letters; all but the first begin with `indent` blanks."""
    indents = {"initial_indent": "  ", "subsequent_indent": " " * indent}
    return textwrap.wrap(line, 100, break_long_words=False, **indents)
