"""Whether what a model is asked moved away from what it learnt."""
