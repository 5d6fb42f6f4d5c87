"""A model that some other code trained: loaded safely, measured, judged and diagnosed."""
