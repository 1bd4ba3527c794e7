"""What a reader who sees every action unit would score: a reference, and no system.

A logistic regression is told the units that a coder has annotated in the test clip itself.  No
system may know them.  Its rows are therefore made here, from the clip table alone, are kept
nowhere, and nothing that trains can import this module: imports go the other way.
"""

import numpy as np
import pandas as pd
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline

from ..corpora.table import KEY
from ..evaluation import protocol, scores
from ..preprocessing import regions

READER = "told the action units"  # in the column `system`; no system is called so
COSTS = {"logisticregression__C": (0.1, 0.3, 1.0, 3.0, 10.0)}  # training subjects choose one
INNER = 5  # folds of training subjects


def units_of(text: str) -> dict[str, int]:
    """`R12+15` -> {"12 right": 1, "12": 1, "15": 1}; units of the onset frame do not count."""
    units = [unit for unit in regions.parse_action_units(text).units if not unit.reference]
    sides = {f"{unit.number} {unit.side}": 1 for unit in units if unit.side != "both"}
    return sides | {str(unit.number): 1 for unit in units}


def reader(clips: pd.DataFrame) -> pd.DataFrame:
    """Rows (key, label, predicted, system), one subject left out, of corpora with coded units."""
    clips = clips.assign(action_units=clips["action_units"].fillna("").astype(str))
    coded = (clips["action_units"] != "").groupby(clips["corpus"]).transform("any")
    clips = clips[coded].reset_index(drop=True)
    rows = clips[[*KEY, "label"]].assign(predicted=clips["label"], system=READER)
    units = np.array([units_of(text) for text in clips["action_units"]])
    labels, person = clips["label"].to_numpy(), clips.groupby(scores.PERSON).ngroup().to_numpy()
    model = make_pipeline(
        DictVectorizer(sparse=False), LogisticRegression(class_weight="balanced", max_iter=1000)
    )
    how = {"greater_is_better": False, "response_method": "predict_proba"}
    loss = make_scorer(log_loss, labels=sorted(set(labels)), **how)
    for fold in protocol.folds(clips, tuple(sorted(set(labels)))) if len(clips) else ():
        inner = GroupKFold(min(INNER, len(set(person[fold.train]))))
        search = GridSearchCV(model, COSTS, scoring=loss, cv=inner)
        search.fit(units[fold.train], labels[fold.train], groups=person[fold.train])
        rows.loc[fold.test, "predicted"] = search.predict(units[fold.test])
    return rows
