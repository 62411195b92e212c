"""The promise under random schedules of faults, a few of the thousands that ``make schedules`` runs."""

from __future__ import annotations

import pytest

from tests.session.schedules import Schedule, main


@pytest.mark.parametrize("tens", range(12))
def test_the_bars_are_those_of_the_tape(tens: int) -> None:
    for number in range(10 * tens, 10 * tens + 10):
        assert Schedule(number).run() == [], f"python -m tests.session.schedules --only {number}"


def test_a_schedule_is_made_from_its_number_alone() -> None:
    one, other = Schedule(7), Schedule(7)
    one.run()
    other.run()
    assert one.driver.actions == other.driver.actions
    assert one.driver.events == other.driver.events


def test_the_command_says_what_it_ran(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--count", "3", "--seed", "100"]) == 0
    assert capsys.readouterr().out.startswith("3 schedules, 0 failed")


def test_a_difference_is_noticed() -> None:
    schedule = Schedule(1)
    schedule.run()
    schedule.driver.bars[0].pop()
    assert schedule._compare(0, schedule.lanes[0]) != []
