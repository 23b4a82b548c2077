"""A remark on a process, and the steps it counts."""

from collections.abc import Mapping
from dataclasses import dataclass

from worker.oss.parameter import BARE
from worker.oss.process import Action, Processor


@dataclass(frozen=True, slots=True)
class Remark:
    """What is odd at a step of a process. `refused`: it can never do what it says; else it is advice."""

    step: int
    reason: str
    mend: str
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """An action, or a style (`name` is empty then), and its number in the process, from 0.

    `values` are its parameters by name, of duplicates the last one; `text` is how it is written.
    """

    number: int
    name: str
    values: Mapping[str, str]
    text: str

    @classmethod
    def of(cls, number: int, part: Action | Processor) -> "Step":
        """A part of a process as a step of it."""
        if isinstance(part, Action):
            return cls(number, part.name, dict(part.parameters), str(part))
        return cls(number, "", {}, str(part))

    @property
    def value(self) -> str:
        """The one value of an action that takes no names; empty where there is none."""
        return self.values.get(BARE, "")
