"""What the watch found of planted drift: when it found it, which trainings it requested, and the gate's verdicts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any


@dataclass(frozen=True)
class Story:
    """What was said of each day of a product whose world changed on `drift_day`, by model."""

    by_model: Mapping[str, Mapping[str, Any]]
    drift_day: date

    @classmethod
    def of(cls, told: Mapping[str, Mapping[str, Any]], *, first_day: date, from_day: int) -> "Story":
        """Return the story of a product that began on `first_day`."""
        return cls(told, first_day + timedelta(days=from_day))

    def age(self, day: str | date) -> int:
        """Return which day of the drift it is, counted from 1; 0 and below before it."""
        return (date.fromisoformat(str(day)) - self.drift_day).days + 1

    @property
    def days_to_detection(self) -> int | None:
        """Return on which day of the drift something that matters was first said to have moved."""
        ages = [
            self.age(day["day"])
            for found in self.by_model.values()
            for day in found["days"]
            if day["state"] == "moved" and day["that_matter"] and self.age(day["day"]) > 0
        ]
        return min(ages, default=None)


def asked_for_once(story: Story) -> Iterator[str]:
    """Yield what is wrong with the trainings: an episode that asked for two, or a training before there was drift."""
    for model, found in story.by_model.items():
        keys = [day["training"]["key"] for day in found["days"] if "training" in day]
        yield from (f"{key} asked for {keys.count(key)} trainings" for key in sorted(set(keys)) if keys.count(key) > 1)
        early = [day["day"] for day in found["days"] if "training" in day and story.age(day["day"]) <= 0]
        yield from (f"a training of {model} on {day}, before anything had changed" for day in early)


def show_days(story: Story) -> None:
    """Print one line for each stretch of days on which the same was said, with the trainings in it."""
    for model, found in story.by_model.items():
        for (state, version), stretch in groupby(found["days"], key=lambda day: (day["state"], day["version"])):
            days = list(stretch)
            span = f"{story.age(days[0]['day']):>4} to {story.age(days[-1]['day']):>3}"
            print(f"  {model} version {version} {span}  {state}: {days[0]['reason']}")
            for day in days:
                if "training" in day:
                    made = day["training"]
                    print(
                        f"       day {story.age(day['day'])}: trained, {made['decision']}: {made['reason']}", flush=True
                    )
