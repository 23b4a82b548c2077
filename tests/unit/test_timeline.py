"""The timeline: in order, and never longer than it may be."""

from worker.timeline import Event, Events


def test_first_and_latest_events_are_kept_and_those_between_are_counted() -> None:
    tested = Events(kept=2)
    events = [Event(f"2026-11-24T08:00:0{number}Z", f"event {number}") for number in range(8)]
    for number, event in enumerate(events):
        tested.add(event)
        if number < 4:
            assert tested.all == events[: number + 1]
    between = Event("2026-11-24T08:00:02Z", "4 events left out")
    assert tested.all == [*events[:2], between, *events[6:]]
