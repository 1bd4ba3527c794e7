"""A finished run's networks as one file to read other clips with, and a card that says what it is.

`data/models/<corpus>-<system>.safetensors` holds the networks of all folds, what they were built
with, and what clips of left-out people look like to them.  Its metadata is the card, which also
lies beside it as text.  Nothing in it is pickled.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from .. import __version__, paths, systems, training
from ..errors import StudyError
from ..evaluation import calibration, statistics
from ..experiments import store
from ..experiments.declaration import config_of
from ..preprocessing.views import Views
from ..systems import inputs
from . import familiar
from .members import Member, members

UNFIT = (StudyError, SafetensorError, OSError, LookupError, TypeError, ValueError, RuntimeError)
FORMAT = "micro-expression models 1"
SYNTHETIC = (
    "These models learned from synthetic faces, made from one photograph: they know nothing of "
    "people, and what they say of a person means nothing."
)
IMAGES = (
    "These models learned from flow images that others have computed: the flow of a film is "
    "another input, of which nobody has measured how well they read it."
)


@dataclass(frozen=True, eq=False)
class Models:
    """The members of one file, and its card."""

    card: dict
    members: list[Member]
    known: familiar.Known  # what clips of left-out people look like

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.card["experiment"]["classes"])

    @property
    def views(self) -> tuple[str, ...]:
        """Names of the views that the members and `known` read, and that a page may show."""
        views = inputs.views_needed(self.members[0].module, self.members[0].config)
        return tuple(dict.fromkeys((*views, self.known.view, "landmarks", "frames")))

    def probabilities(self, arrays, clips: pd.DataFrame) -> np.ndarray:
        """(K, n, C) of n clips by each of K members, at the card's temperature."""
        temperature = self.card["temperature"]
        by_member = (member.probabilities(arrays, clips) for member in self.members)
        return np.stack([calibration.apply(rows, temperature) for rows in by_member])


def file_of(corpus: str, system: str) -> Path:
    return paths.MODELS / f"{corpus}-{system.replace('/', '+')}.safetensors"


def check(system: str) -> None:
    """Raises StudyError for a system that is no network."""
    if not systems.neural(systems.resolve(system)[0]):
        raise StudyError(f"{system} has no weights to keep: choose a network, such as mhssa_gcn")


def save_models(experiment, views: Views, synthetic: bool) -> Path:
    """Write a finished run's networks, and a card beside them. Raises as `check` and `members`."""
    check(experiment.system)
    rows, tensors, folds = store.load(experiment.key), {}, []
    for fold, member in members(experiment, views):
        arrays = {f"{fold.name}/context/{n}": torch.as_tensor(v) for n, v in member.context.items()}
        state = {f"{fold.name}/{n}": v for n, v in member.model.state_dict().items()}
        tensors |= arrays | state
        folds.append({"name": fold.name, "config": dataclasses.asdict(member.config)})
    known = familiar.learn(views)
    tensors |= {f"known/{n}": torch.as_tensor(getattr(known, n)) for n in familiar.ARRAYS}
    card = card_of(experiment, views, rows, synthetic) | {"folds": folds, "known": known.view}
    tensors = {n: v.clone().contiguous() for n, v in tensors.items()}  # no two share memory
    file = file_of(experiment.corpus, experiment.system)
    paths.write_whole(file, save(tensors, {"format": FORMAT, "card": json.dumps(card)}))
    paths.write_whole(file.with_suffix(".md"), text(card).encode())
    return file


def card_of(experiment, views: Views, rows: pd.DataFrame, synthetic: bool) -> dict:
    """What a reader has to know: trained on what, by what code, scored and calibrated how."""
    summary = statistics.summary(rows).iloc[0]
    people = views.clips.groupby("corpus")["subject"].agg(["size", "nunique"])
    probabilities = rows[[f"p_{name}" for name in experiment.classes]].to_numpy()
    labels = pd.Categorical(rows["label"], experiment.classes).codes
    return {
        "key": experiment.key,
        "experiment": dataclasses.asdict(experiment),
        "synthetic": synthetic,
        "trained on": {name: [int(n), int(m)] for name, n, m in people.itertuples()},
        "scores": {n: round(float(v), 4) for n, v in summary.items() if n[:3] in ("UF1", "UAR")},
        "temperature": round(calibration.fit(probabilities, labels), 4),
        "provenance": store.read(experiment.key).provenance,
        "version": __version__,
    }


def facts(card: dict) -> dict[str, str]:
    """What the card says, in sentences."""
    run, scores, origin = card["experiment"], card["scores"], card["provenance"]
    trained = "; ".join(f"{n}: {c} clips of {p} people" for n, (c, p) in card["trained on"].items())
    return {
        "What it is": f"{systems.title(run['system'])}, {len(card['folds'])} networks. Each has "
        "learned from all subjects but one; all of them read a clip, and how far they disagree is "
        "shown.",
        "Trained on": f"{run['corpus']} ({trained}); preset {run['preset']}, seed {run['seed']}, "
        f"budget {run['selection']}, commit {origin.get('commit') or 'unknown'}, "
        f"{origin.get('began', '')[:10]}.",
        "Classes": f"{', '.join(run['classes'])}.",
        "Scored": "every clip by the network that has not seen its subject: UF1 "
        f"{scores['UF1']:.2f} (95 % interval over subjects {scores['UF1 low']:.2f} to "
        f"{scores['UF1 high']:.2f}), UAR {scores['UAR']:.2f}. It has not been measured on other "
        "cameras, light, ages or skin tones.",
        "Calibrated": f"one temperature, {card['temperature']:.2f}, of least log loss on those "
        "left-out clips.",
        "Licences": "the code is MIT. The weights come from the clips above: what the makers of a "
        "corpus allow to be done with their recordings holds for weights learned from them.",
        "What it cannot tell": "what a person feels, thinks or intends, and whether a person lies. "
        f"It says which of {len(run['classes'])} labels coders would most likely give to a small "
        "movement.",
        "Misuse": "to infer emotions of people at work or in education is prohibited in the "
        "European Union (Regulation 2024/1689, Article 5(1)(f); medical and safety reasons aside), "
        "and people exposed to such a system must be told (Article 50(3)).",
    }


def beware(card: dict) -> str:
    """What stands before every answer of these models, or ""."""
    return SYNTHETIC if card["synthetic"] else "" if card["known"] == "flow" else IMAGES


def text(card: dict) -> str:
    """The card as a page of Markdown."""
    run = card["experiment"]
    warning = f"**{beware(card)}**\n\n" if beware(card) else ""
    lines = "\n".join(f"* **{name}**: {sentence}" for name, sentence in facts(card).items())
    return f"# {systems.title(run['system'])}, trained on {run['corpus']}\n\n{warning}{lines}\n"


def load(file: Path | str) -> Models:
    """The models of a file. Raises StudyError where it is none, or of another state of the code."""
    file = Path(file)
    corpus, _, system = file.stem.rpartition("-")
    remedy = how_to_make(corpus, system.replace("+", "/"))
    if not file.is_file():
        raise StudyError(f"{file} is not there: {remedy}")
    try:
        with safe_open(file, "pt") as stored:
            metadata = stored.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ValueError("it holds no models of this study")
            card = json.loads(metadata["card"])
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        known = (tensors.pop(f"known/{name}").numpy() for name in familiar.ARRAYS)
        known = familiar.Known(card["known"], *known)
        return Models(card, [_member(card, fold, tensors) for fold in card["folds"]], known)
    except UNFIT as error:
        unfit = f"does not fit this version of the study ({str(error).splitlines()[0]})"
        raise StudyError(f"{file} {unfit}: {remedy}") from error


def how_to_make(corpus: str, system: str) -> str:
    """What to do for models of a system on a corpus."""
    return f"make it with `./run_all.sh train {system} --corpus {corpus} --for-prediction`"


def _member(card: dict, fold: dict, tensors: dict) -> Member:
    """One network, built and filled; an unknown field, name or shape is an error of its kind."""
    run, name = card["experiment"], fold["name"]
    module, _ = systems.resolve(run["system"])
    config = config_of(module, json.dumps(fold["config"]))
    state = {n.removeprefix(f"{name}/"): v for n, v in tensors.items() if n.startswith(f"{name}/")}
    names = [n for n in state if n.startswith("context/")]
    context = {n.removeprefix("context/"): state.pop(n).numpy() for n in names}
    net = training.new_network(module, config, len(run["classes"]), context)
    net.load_state_dict(state)
    return Member(name, module, config, len(run["classes"]), net.eval(), context)
