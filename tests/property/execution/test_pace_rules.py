"""However calls arrive, the windows hold, and exits keep their share."""

import itertools
from bisect import bisect_left

from hypothesis import given
from hypothesis import strategies as st

from execution.brokers.dhan.limits import DHAN_LIMITS, CallLimits, Window, seconds_to_wait

SMALL = CallLimits(windows=(Window(1.0, 10, 3), Window(10.0, 40, 4), Window(60.0, 90, 9)), spacing=0.05)
ARRIVALS = st.lists(st.tuples(st.floats(0.0, 0.5), st.booleans()), min_size=1, max_size=300)


def granted(arrivals, limits):
    now, taken = 0.0, []
    for gap, urgent in arrivals:
        now += gap
        newest = [moment for moment, _ in reversed(taken)]
        wait = seconds_to_wait(
            lambda nth, ages=newest, at=now: at - ages[nth - 1] if nth <= len(ages) else None,
            urgent=urgent,
            limits=limits,
        )
        if wait == 0.0:
            taken.append((now, urgent))
    return taken


def busiest(moments, seconds):
    return max((index + 1 - bisect_left(moments, end - seconds + 1e-9) for index, end in enumerate(moments)), default=0)


@given(ARRIVALS)
def test_fm_A5_no_window_is_ever_exceeded(arrivals):
    moments = [moment for moment, _ in granted(arrivals, SMALL)]

    for window in SMALL.windows:
        assert busiest(moments, window.seconds) <= window.calls
    assert all(later - earlier >= SMALL.spacing - 1e-9 for earlier, later in itertools.pairwise(moments))


@given(ARRIVALS)
def test_entries_alone_never_use_what_is_reserved(arrivals):
    moments = [moment for moment, _ in granted([(gap, False) for gap, _ in arrivals], SMALL)]

    for window in SMALL.windows:
        assert busiest(moments, window.seconds) <= window.calls - window.reserved


@given(st.lists(st.floats(0.0, 0.3), min_size=1, max_size=200))
def test_an_exit_among_entries_waits_no_longer_than_the_distance_between_calls(gaps):
    taken = granted([(gap, False) for gap in gaps], SMALL)
    newest = [moment for moment, _ in reversed(taken)]
    now = newest[0]

    def age_of(nth):
        return now - newest[nth - 1] if nth <= len(newest) else None

    assert seconds_to_wait(age_of, urgent=True, limits=SMALL) <= SMALL.spacing + 1e-9


def test_the_real_windows_are_dhan_s():
    assert [(window.seconds, window.calls) for window in DHAN_LIMITS.windows] == [
        (1.0, 10),
        (60.0, 250),
        (3_600.0, 1_000),
        (86_400.0, 7_000),
    ]
    assert [window.calls - window.reserved for window in DHAN_LIMITS.windows] == [7, 225, 900, 6_300]
    assert DHAN_LIMITS.windows[0].reserved == 3
