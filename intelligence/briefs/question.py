"""A question in plain words: what it may name, what is left of it to be understood, and the plan that answers it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

# Words that carry no condition.
_SMALL: Final = """
a an the this that these those of in on at for to with by from is are was were be been being did do does has have had how many much what
and our my me we us it its there i you your they them their please tell show give say about now currently any all product whole number
current newest can could should would so far get got goes go going went come came make made let s
"""
PLAIN: Final = frozenset(_SMALL.split())
_WORD: Final = re.compile(r"[^\W_][\w'’.·-]*", re.UNICODE)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a question may name.

    Attributes:
        day: The newest day with figures, which is what "today" and "now" mean.
        features: Names of features.
        experiments: Names of experiments.
        segments: Names of segments.
    """

    day: date
    features: tuple[str, ...] = ()
    experiments: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Which tool answers a question, with what; no tool where none can.

    Attributes:
        tool: Name of the tool; empty where the question is declined.
        arguments: What it is asked for.
        why_not: Why the question is declined; empty where it is not.
        expects: `down` or `up` where the question takes it for granted that something fell or rose.
        asked: The metric that the question is about, where the tool answers about another that stands for it.
    """

    tool: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    why_not: str = ""
    expects: str = ""
    asked: str = ""

    @property
    def step(self) -> str:
        """Return the call in one line."""
        return f"{self.tool}({', '.join(f'{name}={value}' for name, value in self.arguments.items())})"


@dataclass(slots=True)
class Rest:
    """What is left of a question after the parts that are understood were taken out."""

    text: str

    def took(self, *phrases: str) -> str:
        """Return the first of the phrases that it holds, taken out; empty without one."""
        for phrase in phrases:
            pattern = rf"(?<![\w-]){re.escape(phrase)}(?![\w-])"
            changed, number = re.subn(pattern, " ", self.text)
            if number:
                self.text = changed
                return phrase
        return ""

    @property
    def words(self) -> list[str]:
        """Return the words that carry something and were not understood."""
        words = [word.strip(".'’-·").removesuffix("'s").removesuffix("’s") for word in _WORD.findall(self.text)]
        return [word for word in words if word and word not in PLAIN]
