"""Figures: frames in, one figure out; no score is computed here."""

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.font_manager import fontManager

# Fonts that have the signs of more languages, for names of classes and persons: those that are here
MORE_FONTS = ("Noto Sans CJK JP", "Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Micro Hei")
MORE_FONTS += ("PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic")
MORE_FONTS += ("Arial Unicode MS", "Droid Sans Fallback", "Unifont")

plt.style.use(Path(__file__).with_name("study.mplstyle"))
_here = {font.name for font in fontManager.ttflist}
plt.rcParams["font.family"] = ["DejaVu Sans", *(name for name in MORE_FONTS if name in _here)]
