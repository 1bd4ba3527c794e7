"""What an interval and a p of this study cover when every fold is trained again.

    python benchmarks/retraining.py     # ten minutes; writes benchmarks/retraining.csv
    python benchmarks/retraining.py --studies 100 --table other.csv

Models of different folds share most of their training people, so that their errors are related
and a bootstrap of subjects with fixed models is too narrow.  Many studies are made: in each, 68
people are drawn from those of the 442 clips of MEGC2019 with their numbers of clips per class;
a clip's features are the mean of its class, an effect of the person, one of the person in this
class, and noise.  Two systems see features of the same law, some of them in common, so that both
are equal by construction.  Each is a class-balanced ridge classifier, fitted again for every
left-out person.  What an interval should cover is the mean score over all studies, and 0 for the
gap.  The table gives, over the studies of each scenario and over all, the coverage of the 95 %
intervals and the share of studies in which the exchange test finds a difference at 5 % and at 1 %,
with models taken as fixed and as `statistics` widens them.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from mer_utils import paths
from mer_utils.corpora import CLASSES
from mer_utils.evaluation import scores, statistics

FEATURES, RIDGE = 40, 30.0
PERSON, PERSON_CLASS = 0.6, 0.45  # standard deviations beside a noise of 1
SIGNALS = {"hard": 0.22, "medium": 0.3, "easy": 0.4}  # sd of class means
SHARED = (0.0, 0.6)  # share of the features that both systems see
EXCHANGES = 1000
TREATMENTS = {  # factors of the bootstrap samples and of the exchanged gaps
    "fixed": (1.0, 1.0),
    "retrained": (statistics.RETRAINED, statistics.RETRAINED_NULL),
}


def people() -> np.ndarray:
    """(68, 3) clips per class of every subject of the 442 clips, from the committed rows."""
    rows = pd.read_csv(paths.REPORTS / "predictions" / "megc2019_flow.csv.gz", dtype=str)
    rows = rows[rows["run"] == rows["run"].iloc[0]]
    counts = rows.groupby(["corpus", "subject"])["label"].value_counts().unstack(fill_value=0)
    return counts[list(CLASSES)].to_numpy()


def study(profiles: np.ndarray, signal: float, shared: float, random: np.random.Generator):
    """Label, person and features of both systems, (clips, FEATURES) each."""
    chosen = profiles[random.integers(len(profiles), size=len(profiles))]
    label = np.concatenate([np.repeat(np.arange(3), counts) for counts in chosen])
    person = np.repeat(np.arange(len(chosen)), chosen.sum(1))
    common, width = round(shared * FEATURES), 2 * FEATURES
    mean = signal * np.random.default_rng(0).standard_normal((3, FEATURES))
    shifted = np.roll(mean, -common, axis=1)  # of any FEATURES in a row, every mean occurs once
    x = np.tile(shifted, 2)[label] + random.standard_normal((len(label), width))
    x += PERSON * random.standard_normal((len(chosen), width))[person]
    x += PERSON_CLASS * random.standard_normal((len(chosen), 3, width))[person, label]
    return label, person, x[:, :FEATURES], x[:, FEATURES - common : width - common]


def left_out(label: np.ndarray, person: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Confusion counts (people, 3, 3) of a ridge classifier fitted without each person."""
    x = np.column_stack([x, np.ones(len(x))])
    size, people = x.shape[1], person.max() + 1
    gram, count = np.zeros((people, 3, size, size)), np.zeros((people, 3))
    total = np.zeros((people, 3, size))
    for cell in range(people * 3):
        own = x[(person == cell // 3) & (label == cell % 3)]
        gram[cell // 3, cell % 3], count[cell // 3, cell % 3] = own.T @ own, len(own)
        total[cell // 3, cell % 3] = own.sum(0)
    gram, count, total = (part.sum(0) - part for part in (gram, count, total))
    weight = count.sum(1, keepdims=True) / (3 * np.maximum(count, 1))
    target = weight[..., None] * total  # (people, 3, size)
    system = np.einsum("pc,pcij->pij", weight, gram) + RIDGE * np.eye(size)
    weights = np.linalg.solve(system, np.swapaxes(target, 1, 2))  # (people, size, 3)
    predicted = np.einsum("ni,nic->nc", x, weights[person]).argmax(1)
    counts = np.zeros((people, 3, 3))
    np.add.at(counts, (person, label, predicted), 1)
    return counts


def scenario(profiles, signal: float, shared: float, studies: int, seed: int) -> pd.DataFrame:
    """A line per study: score and gap, and for both treatments the limits and p."""
    lines = []
    for number in range(studies):
        random = np.random.default_rng([seed, number])
        label, person, *features = study(profiles, signal, shared, random)
        counts = [left_out(label, person, x)[None] for x in features]
        one, two = (float(scores.of(part[0].sum(0))["UF1"]) for part in counts)
        line = {"UF1": one, "gap": one - two}
        flips = statistics.exchanges(len(profiles), EXCHANGES, number)
        for name, (samples, null) in TREATMENTS.items():
            ours, theirs = (
                statistics.resampled(part, seed=number, widen=samples)[0] for part in counts
            )
            for kind, values in (("UF1", ours), ("gap", ours - theirs)):
                line[f"{kind} low, {name}"], line[f"{kind} high, {name}"] = np.quantile(
                    values, (0.025, 0.975)
                )
            line[f"p, {name}"] = statistics.exchange_test(*counts, "UF1", flips, widen=null)
        lines.append(line)
    return pd.DataFrame(lines)


def covered(table: pd.DataFrame, kind: str, name: str, truth: float) -> float:
    low, high = table[f"{kind} low, {name}"], table[f"{kind} high, {name}"]
    return ((low <= truth) & (truth <= high)).mean()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--studies", type=int, default=1500, help="of each scenario")
    parser.add_argument("--table", type=Path, default=Path(__file__).with_suffix(".csv"))
    args = parser.parse_args()
    profiles, lines = people(), []
    for seed, (level, signal) in enumerate(SIGNALS.items()):
        for shared in SHARED:
            table = scenario(profiles, signal, shared, args.studies, seed)
            line = {"level": level, "features in common": shared, "studies": len(table)}
            line |= {"UF1": table["UF1"].mean(), "sd of UF1": table["UF1"].std()}
            line |= {"sd of the gap": table["gap"].std()}
            for name in TREATMENTS:
                line[f"covered, {name}"] = covered(table, "UF1", name, table["UF1"].mean())
                line[f"gap covered, {name}"] = covered(table, "gap", name, 0.0)
                line[f"p < 0.05, {name}"] = (table[f"p, {name}"] < 0.05).mean()
                line[f"p < 0.01, {name}"] = (table[f"p, {name}"] < 0.01).mean()
            lines.append(line)
            print(pd.Series(line).to_string(float_format="{:.3f}".format), "\n", flush=True)
    table = pd.DataFrame(lines)
    mean = (
        table.mean(numeric_only=True)
        .to_frame()
        .T.assign(level="all", studies=sum(table["studies"]))
    )
    pd.concat([table, mean]).round(4).to_csv(args.table, index=False)


if __name__ == "__main__":
    main()
