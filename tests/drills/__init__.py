"""Drills: things that happen to a running system, with exact counts. `python -m tests.drills` runs all of them."""
