"""A child process that can do little more than compute; see docs/decisions/0025-confinement.md."""
