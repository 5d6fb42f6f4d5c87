"""A training that goes on from the champion's weights, where they fit."""
