"""What every test has: how hypothesis judges examples."""

from hypothesis import settings

# No deadline for one example: how long it takes says more about the machine's other work than about the code.
settings.register_profile("project", deadline=None)
settings.load_profile("project")
