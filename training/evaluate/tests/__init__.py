"""Seconds, no working folder: `python -m unittest discover -t . -s training/evaluate`."""
