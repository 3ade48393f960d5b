"""Seeded schedules of faults under a virtual clock: the executor as shipped, a broker and a database that fail."""
