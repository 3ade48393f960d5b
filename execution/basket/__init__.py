"""The basket: a deterministic function of (state, event, now) to (state, commands). Pure.

The database-backed executor, the backtest and the fault simulation all drive `step`. An event moves at most one
attempt or the run by one row of `lifecycle`; what would follow from it is asked for by a `Repeat` of the event.
"""
