"""The code that two notebooks of the micro-expression recognition study share."""

__version__ = "0.1.0"
