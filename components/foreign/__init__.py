"""The door for files that somebody else may have made: their sizes are known before they are read, and none runs code."""
