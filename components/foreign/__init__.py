"""The door for files that somebody else may have made: sizes are known before reading, and nothing runs code."""
