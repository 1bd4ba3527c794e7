"""Figures: frames in, one figure out; no score is computed here."""

from pathlib import Path

import matplotlib.pyplot as plt

plt.style.use(Path(__file__).with_name("study.mplstyle"))
