"""The results in README.md, printed from the committed rows and tables of the 442 flow images."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from .. import paths, systems
from ..errors import StudyError
from ..evaluation import logs, protocol, statistics

CORPUS = "megc2019_flow"
OTHER = "megc2019_flow_causal"  # the same clips by another flow
README = paths.ROOT / "README.md"
REPORTS = paths.ROOT / "reports"  # what is committed, wherever MER_REPORTS points
BEGIN, END = "<!-- results -->", "<!-- /results -->"
COLUMNS = ("system", "its name", "UF1 (95 %)", "UAR (95 %)", "oracle UF1", "runs by seed")
COLUMNS += ("UF1 by the other flow, runs by seed",)


def write(readme: Path = README) -> Path:
    """Replace what is between the two markers. Raises StudyError where a marker is missing."""
    text, old = readme.read_text(encoding="utf-8"), printed(readme)
    new = text.replace(f"{BEGIN}\n{old}", f"{BEGIN}\n{results()}")
    readme.write_text(new, encoding="utf-8")
    return readme


def printed(readme: Path = README) -> str:
    """What is between the two markers now."""
    found = re.search(f"{BEGIN}\n(.*)\n{END}", readme.read_text(encoding="utf-8"), re.DOTALL)
    if not found:
        raise StudyError(f"{readme} lacks the lines {BEGIN} and {END}: restore them from git")
    return found[1]


def results() -> str:
    """The table of systems and what follows from it, in Markdown; each finding with its source."""
    rows = _rows(CORPUS)
    notes = f"{systems.notes(rows['system'].unique())} ([log](LOG.md#inputs))"
    findings = [
        f"{finding} ([table](reports/tables/{CORPUS}_{table}.csv), "
        f"[page](reports/html/{CORPUS}/{page}.html))"
        for finding, table, page in _findings(rows)
    ]
    return "\n".join([*_table(rows), "", *(f"* {line}" for line in (notes, *findings))])


def _rows(corpus: str) -> pd.DataFrame:
    """The committed rows of every system by the fairest rule that it has."""
    return protocol.fairest(logs.read_rows(REPORTS / "predictions" / f"{corpus}.csv.gz"), "system")


def kept(name: str) -> pd.DataFrame:
    """A committed table."""
    return pd.read_csv(REPORTS / "tables" / f"{CORPUS}_{name}.csv")


def _table(rows: pd.DataFrame) -> list[str]:
    """A line a system, the best first; each seed links to the file of its run."""
    oracle, other = kept("prices").set_index("name")["oracle"], _rows(OTHER)
    by_other = statistics.summary(other).set_index("system")["UF1"].map("{:.3f} ".format)
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for system in statistics.summary(rows).sort_values("UF1", ascending=False).to_dict("records"):
        name = system["system"]
        cells = [systems.SYSTEMS[name].TITLE, f"`{name}`"]
        for metric in ("UF1", "UAR"):
            low, high = system[f"{metric} low"], system[f"{metric} high"]
            cells.append(f"{system[metric]:.3f} ({low:.2f} to {high:.2f})")
        picked = oracle[statistics.label(name, system["selection"])]
        cells.append("no epochs" if pd.isna(picked) else f"{picked:.3f}")
        cells += [_files(rows, name, CORPUS), by_other.get(name, "") + _files(other, name, OTHER)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _files(rows: pd.DataFrame, name: str, corpus: str) -> str:
    """The seeds of a system, each a link to the file of its run."""
    runs = rows.loc[rows["system"] == name, ["run", "seed"]].drop_duplicates().sort_values("seed")
    return " ".join(
        f"[{seed}](reports/runs/{corpus}/{quote(run)}.zip)" for run, seed in runs.values
    )


def _findings(rows: pd.DataFrame) -> Iterator[tuple[str, str, str]]:
    """What systems differ by, what leaks and ingredients add: a sentence, its table, its page."""
    pairs = statistics.compare(rows[rows["system"] != "majority"])
    lower = pairs[pairs["significant"]].groupby("against", sort=False)["system"]
    above = [f"{_titles(better)} above {_titles([worse])}" for worse, better in lower]
    yield (
        f"{pairs['significant'].sum()} of {len(pairs)} pairs of systems are significantly "
        f"different after Holm's correction: {'; '.join(above)}. As one of these pairs a gap of "
        f"{pairs['detectable'].median():.2f} UF1 is detectable, four times out of five.",
        *("pairs", "50_comparison"),
    )
    names = rows[["system", "selection"]].drop_duplicates()
    prices = kept("prices")
    prices = prices[prices["name"].isin(statistics.named(names)["name"])]
    oracle = prices["oracle"].sub(prices["honest"]).dropna()
    yield (
        f"Picking the epoch on the test subject (oracle), as most public codes do, adds "
        f"{oracle.min():.2f} to {oracle.max():.2f} UF1. That is an inflation, never a result.",
        *("prices", "50_comparison"),
    )
    folds = kept("leaks").query("leak == 'random_folds'")["inflation"]
    yield (
        f"Random folds, with a person on both sides, change UF1 by {folds.min():.3f} to "
        f"{folds.max():.3f} against as many folds of whole subjects, in {len(folds)} systems.",
        *("leaks", "40_protocol"),
    )
    answered = kept("ablations").rename(columns={"p Holm": "p"})
    coded = answered["ablation"].str.endswith("/as_coded")
    single, small = answered[~coded], kept("ablations_not_shown")["detectable"]
    changed = [
        f"`{line.ablation}` has {abs(line.effect):.2f} UF1 {'less' if line.effect > 0 else 'more'}"
        for line in single[single["p"] < 1 - statistics.LEVEL].sort_values("effect").itertuples()
    ]
    yield (
        f"Of {len(single)} single changes of {_titles(single['ablation'])}, these matter "
        f"significantly: {', '.join(changed) or 'none'}. For the others no difference is shown; "
        f"effects of {small.min():.2f} to {small.max():.2f} UF1 were detectable.",
        *("ablations", "52_ablations"),
    )
    for line in answered[coded].itertuples():
        yield (
            f"The published code of {_titles([line.ablation])} has "
            f"{line.described - line.effect:.3f} UF1, its own description {line.described:.3f} "
            f"({line.low:.2f} to {line.high:.2f} less taken alone; p {line.p:.2f} as one of "
            f"{len(answered)} questions; as coded {line.seeds} seed{'s' * (line.seeds > 1)}).",
            *("ablations", "52_ablations"),
        )
    sizes = [
        f"{size['system']} has {size['UF1 published']:.3f} UF1, small {size['UF1 small']:.3f}"
        for size in kept("sizes").to_dict("records")
    ]
    yield (
        f"At the published size, with the published schedule: {'; '.join(sizes)}. One seed each.",
        *("sizes", "50_comparison"),
    )


def _titles(names: Iterable[str]) -> str:
    """Titles of systems, or of the systems of ablations, each once."""
    titles = [systems.SYSTEMS[re.split("[/ ]", name)[0]].TITLE for name in names]
    return ", ".join(dict.fromkeys(titles))
