"""Mending a refused model where that is right, as a new candidate for the same gate."""
