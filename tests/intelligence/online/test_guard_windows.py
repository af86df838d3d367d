"""The windows as the guard reads them: all series at once, and several as one."""

import random

import pytest

from intelligence.online.events import StreamEvent
from intelligence.online.settings import Online
from intelligence.online.windows import MINUTE_MS, FeatureWindows


def made(minutes: int, seed: int = 3) -> tuple[FeatureWindows, list[StreamEvent]]:
    draw, windows = random.Random(seed), FeatureWindows(Online())
    events = []
    for place in range(3_000):
        at_ms = draw.randrange(minutes) * MINUTE_MS if place % 10 else (place % minutes) * MINUTE_MS
        feature, release = f"f{draw.randrange(3)}", f"{draw.randrange(3)}.0"
        errors, crashed = draw.random() < 0.2, draw.random() < 0.1
        user = f"u{draw.randrange(40)}"
        events.append(StreamEvent("", at_ms, user, feature, "ios", release, errors, crashed, 1.0, None))
    events.sort(key=lambda each: each.at_ms)
    windows.count(events)
    return windows, events


@pytest.mark.parametrize("minutes", [1, 5, 60])
def test_all_series_at_once_are_the_figures_of_each(minutes: int) -> None:
    # Some series are last seen long before the end, so that their rings hold older minutes.
    windows, events = made(150)
    last = [each for each in events if each.feature != "f0" or each.at_ms < 90 * MINUTE_MS]
    windows = FeatureWindows(Online())
    windows.count(last)
    for minute in (40, 95, 149):
        names, totals = windows.totals(at_ms=minute * MINUTE_MS, minutes=minutes)
        for name, counts in zip(names, totals.tolist(), strict=True):
            figures = windows.figures(name, at_ms=minute * MINUTE_MS, minutes=minutes)
            assert figures is not None
            assert counts == [figures.events, figures.errors, figures.crashes, figures.value]
            assert windows.together([name], at_ms=minute * MINUTE_MS, minutes=minutes) == figures


def test_a_user_of_several_series_counts_once() -> None:
    windows, events = made(50)
    names = list(windows.series)
    both = windows.together([*names, ("none", "", "")], at_ms=49 * MINUTE_MS, minutes=60)
    assert both.events == len(events)
    assert both.errors == sum(each.errors for each in events)
    assert both.users == pytest.approx(40, abs=4)
    assert windows.together([], at_ms=49 * MINUTE_MS, minutes=60).events == 0
