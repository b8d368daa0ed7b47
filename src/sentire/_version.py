"""The version of Sentire, in one place."""

__version__ = "0.1.0"
