"""Small clip tables, flow arrays and prediction rows that several test files share."""

import numpy as np
import pandas as pd

from mer_utils.corpora import CLASSES, table
from mer_utils.preprocessing.views import Views


def clip_table(subjects: int = 6, each: int = 5, seed: int = 0) -> pd.DataFrame:
    """`subjects` in two corpora with the same ids, `each` clips of every subject, mixed classes."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.resize(CLASSES, subjects * each))
    return table.clip_table(
        {
            "corpus": "left" if place // each % 2 else "right",
            "subject": f"{place // each // 2 + 1:03}",
            "clip": f"clip{place % each}",
            "label": label,
            "action_units": "12",
        }
        for place, label in enumerate(labels)
    )


def made_views(clips: pd.DataFrame, strength: float = 1.0, seed: int = 0) -> Views:
    """Noise, with a bright patch whose place tells the class; landmarks of no meaning."""
    random = np.random.default_rng(seed)
    flow = random.normal(0, 1, (len(clips), 3, 28, 28)).astype(np.float32)
    for row, label in enumerate(clips["label"]):
        start = 9 * CLASSES.index(label)
        flow[row, :, 10:18, start : start + 8] += strength
    landmarks = random.uniform(0, 28, (len(clips), 68, 2)).astype(np.float32)
    empty = pd.DataFrame(columns=["corpus", "subject", "clip", "reason"])
    return Views(clips, empty, {"flow": flow, "landmarks": landmarks})


def official_clips() -> pd.DataFrame:
    """68 subjects with 250, 109 and 83 clips: the counts of MEGC2019, dealt in order."""
    labels = np.repeat(CLASSES, (250, 109, 83))
    labels = np.random.default_rng(0).permutation(labels)
    subject = [f"{number % 68:03}" for number in range(len(labels))]
    clip = [str(number) for number in range(len(labels))]
    return pd.DataFrame({"corpus": "made", "subject": subject, "clip": clip, "label": labels})


def prediction_rows(clips: pd.DataFrame, right: float = 0.6, seed: int = 0) -> pd.DataFrame:
    """Rows as a run writes them; a share `right` of the predictions is the label."""
    random = np.random.default_rng(seed)
    guess = random.choice(CLASSES, len(clips))
    knows = random.random(len(clips)) < right
    return clips.assign(
        run="made",
        system="made",
        seed=0,
        selection="last",
        predicted=np.where(knows, clips["label"], guess),
        epoch=1,
    )
