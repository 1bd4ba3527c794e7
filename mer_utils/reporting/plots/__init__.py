"""Figures: frames in, one figure out; no score is computed here."""
