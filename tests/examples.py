"""How many examples a property is tried with: a fifth of them in `make test`, all of them in `make chaos`."""

from hypothesis import settings

FULL = "full"


def examples(count: int) -> settings:
    """So many, where the profile of hypothesis is `full`."""
    return settings(max_examples=count if settings.get_current_profile_name() == FULL else count // 5)
