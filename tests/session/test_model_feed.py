"""A second implementation of the feed: the same schedules end with the same bars."""

from __future__ import annotations

import pytest

from tests.session.model_feed import ModelFeed
from tests.session.schedules import Schedule


@pytest.mark.parametrize("tens", range(4))
def test_a_feed_in_plain_python_gives_the_same_bars(tens: int) -> None:
    for number in range(10 * tens, 10 * tens + 10):
        assert Schedule(number, lambda _bars, _trades: ModelFeed()).run() == [], number
