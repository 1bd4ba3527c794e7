"""The same systems on other inputs: another algorithm of the flow, another choice of the apex."""

import dataclasses

from .. import systems
from ..corpora.table import Corpus, choose_apexes, clip_table, unknown
from ..errors import StudyError
from ..preprocessing import views

INPUTS = {  # name -> (ingredient, question, algorithm of the flow, where the apex comes from)
    "dis": ("flow algorithm", "Is DIS's preset as good?", "dis", ""),
    "farneback": ("flow algorithm", "Is Farneback's flow as good?", "farneback", ""),
    "tvl1": ("flow algorithm", "Is the literature's TV-L1 as good?", "tvl1", ""),
    "midpoint": ("apex policy", "Is the middle of the clip as good an apex?", None, "midpoint"),
    "spotted": ("apex policy", "Is an apex found by itself as good?", None, "spotted"),
}
SYSTEMS = ("svm", "ststnet", "mhssa_gcn")  # that are given them


def names_of(system: str) -> tuple[str, ...]:
    """Every ablation of a system by its label: `svm/unbalanced`, `svm/dis`."""
    names = (*systems.ablations(system), *(INPUTS if system in SYSTEMS else ()))
    return tuple(f"{system}/{name}" for name in names)


def corpus_name(corpus: str, inputs: str = "", smoke: bool = False) -> str:
    """The name that keeps runs on other inputs, and of a quick look, out of the corpus's tables."""
    return corpus + (f"~{inputs}" if inputs else "") + ("~smoke" if smoke else "")


def views_of(corpus: Corpus, inputs: str = "", jobs: int | None = None) -> views.Views:
    """Views of a corpus as it is, or with one of INPUTS. Raises StudyError where it has no frames.

    An apex that a sheet has given is kept out of the way of `midpoint` and `spotted`; a clip
    without a midpoint is left out.
    """
    if not inputs:
        return views.compute(corpus, corpus.views, jobs=jobs, progress=False)
    if inputs not in INPUTS:
        raise unknown("inputs", inputs, tuple(INPUTS))
    if "frames" not in corpus.views:
        raise StudyError(f"{corpus.name} comes without frames: inputs={inputs} needs them")
    *_, method, apex = INPUTS[inputs]
    if apex:
        rows = corpus.clips.astype(object).where(corpus.clips.notna(), None).to_dict("records")
        rows, _ = choose_apexes(apex, rows)
        corpus = dataclasses.replace(corpus, clips=clip_table(rows))
    wanted = tuple(name for name in corpus.views if name in ("flow", "flow_legacy", "landmarks"))
    return views.compute(corpus, wanted, jobs=jobs, progress=False, flow_method=method)
