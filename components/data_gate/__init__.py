"""Anomalies and counts in, a decision out."""
