"""A blessed model becomes a numbered version directory."""
