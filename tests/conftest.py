"""What every test has: how hypothesis judges examples, and figures that are told at the end."""

from collections.abc import Callable, Mapping

import pytest
from hypothesis import settings

from tests.examples import FULL

# No deadline for one example: how long it takes says more about the machine's other work than about the code.
settings.register_profile("project", deadline=None)
settings.register_profile(FULL, deadline=None)
settings.load_profile("project")

Figures = Callable[[Mapping[str, object]], None]


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Figures:
    """Tells what a test has counted, at the end of all tests (`make chaos`)."""

    def tell(counted: Mapping[str, object]) -> None:
        for name, value in counted.items():
            record_property(name, value)

    return tell


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of each test with full counts that has told some."""
    for report in terminalreporter.getreports("passed"):
        if report.when == "call" and report.user_properties and "chaos" in report.keywords:
            counted = ", ".join(f"{value} {name}" for name, value in report.user_properties)
            terminalreporter.write_line(f"{report.nodeid}: {counted}")
