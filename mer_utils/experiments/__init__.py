"""A study is a declared list of runs; a run is declared, trained fold by fold, and kept as a file.

`declaration` says what a run is, `store` how it is kept, `run` trains what is missing of it,
`studies` which runs stand in one study, `variations` gives systems other inputs.
"""

from .declaration import CONTROL, LEAKS, Experiment, declare, fingerprint, subset
from .run import expected_seconds, folds_of, kept_features, rows_of, run, task_of, trial, try_folds
from .store import curves, epochs, file, find, load, read, seconds
from .studies import Study, study
from .variations import INPUTS, corpus_name, views_of

__all__ = ["CONTROL", "INPUTS", "LEAKS", "Experiment", "Study", "corpus_name", "curves"]
__all__ += ["declare", "epochs", "expected_seconds", "file", "find", "fingerprint", "folds_of"]
__all__ += ["kept_features", "load", "read", "rows_of", "run", "seconds", "study"]
__all__ += ["subset", "task_of", "trial", "try_folds", "views_of"]
