"""The weights that STSTNet's authors have published, in the study's STSTNet.

    python benchmarks/ststnet_weights.py STSTNet_Weights          # images: data/raw/megc2019_flow
    python benchmarks/ststnet_weights.py STSTNet_Weights --data FOLDER

STSTNet_Weights is that folder of github.com/christy1206/STSTNet: `<subject>.pth`, trained without
that subject, for each of 68.  The authors' log (STSTNet_python_logfile.txt there) ends with
UF1 0.7209 and UAR 0.7250.  Their network reads images as OpenCV does: strain first, 0 to 255.

Tried on made files in the authors' layout alone; theirs were not at hand when this was written.
"""

import argparse
import pickle
from pathlib import Path

import pandas as pd
import torch

from mer_utils import corpora
from mer_utils.corpora.table import KEY, one_line
from mer_utils.errors import StudyError
from mer_utils.evaluation import protocol, scores
from mer_utils.preprocessing import views
from mer_utils.preprocessing.views import Views
from mer_utils.systems import ststnet

STREAMS = ("1", "2", "3")  # of 3, 5 and 8 maps, in the order of ours


def network(file: Path) -> ststnet.STSTNet:
    """Our network with their weights. Raises StudyError where the file holds something else."""
    if not file.is_file():
        raise StudyError(f"{file} is missing: copy the authors' whole folder of weights")
    net = ststnet.network(ststnet.Config(), len(corpora.CLASSES), {})
    try:
        theirs = torch.load(file, map_location="cpu", weights_only=True)
        ours = {f"head.{name}": theirs[f"fc.{name}"] for name in ("weight", "bias")}
        for place, layer in (("streams.0", "conv"), ("streams.2", "bn")):
            for name in net.get_submodule(place).state_dict():
                parts = [theirs[f"{layer}{stream}.{name}"] for stream in STREAMS]
                ours[f"{place}.{name}"] = torch.cat(parts) if parts[0].ndim else parts[0]
        net.load_state_dict(ours)
    except (EOFError, KeyError, RuntimeError, TypeError, pickle.UnpicklingError) as error:
        raise StudyError(
            f"{file} does not hold STSTNet's weights ({one_line(error)}): copy it again"
        ) from error
    return net.eval()


@torch.no_grad()
def predictions(folder: Path, given: Views) -> pd.DataFrame:
    """A row a clip: key, label, and what the network without its subject predicts."""
    images = torch.as_tensor(given.arrays["flow_legacy"]).flip(1)
    rows = given.clips[[*KEY, "label"]].assign(predicted="")
    for fold in protocol.folds(given.clips):
        numbers = network(folder / f"{fold.subject}.pth")(images[fold.test]).argmax(1)
        rows.loc[fold.test, "predicted"] = [corpora.CLASSES[number] for number in numbers]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", type=Path, help="the folder of the flow images")
    options = parser.parse_args()
    corpus = corpora.load("megc2019_flow", options.data)
    rows = predictions(options.weights, views.compute(corpus, ["flow_legacy"]))
    for name, part in [("all", rows), *rows.groupby("corpus")]:
        print(
            f"{name:7s} UF1 {scores.uf1(part):.4f}  UAR {scores.uar(part):.4f}  {len(part)} clips"
        )


if __name__ == "__main__":
    main()
