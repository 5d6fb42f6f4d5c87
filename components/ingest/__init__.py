"""Labelled images in, examples and a report out."""
