"""Crash points: real trader processes kill themselves at a named point, and the exchange's own journal is the judge.

`python -m tests.crash` runs every point for an entry, an exit and an unwinding; `--list` names them.
"""
