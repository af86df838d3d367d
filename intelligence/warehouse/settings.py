"""The settings of a feature, and those of answers, in product.yaml."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator

from intelligence.core.sections import Rate, Section
from intelligence.telemetry.settings import KeptTexts
from intelligence.warehouse.answer_scores import HARMS, NAMES, score_parameters


class Promises(Section):
    """The service level objectives of a feature (its promises), its owner, its importance and its flag."""

    owner: str = "unowned"
    lifecycle: Literal["beta", "live", "sunset"] = "live"
    tier: int = Field(2, ge=0, le=3)
    flag_key: str | None = None
    max_error_rate: Rate = 0.02
    max_crash_rate: Rate = 0.01
    slow_latency_ms: float = Field(3_000, gt=0)
    max_slow_rate: Rate = 0.05
    max_bad_rating_rate: Rate = 0.4
    max_bad_answer_rate: Rate = 0.2

    def flag_of(self, feature: str) -> str | None:
        """Return the key of the feature's flag, in which `{feature}` is replaced by the feature's name with dashes; None without one.

        >>> Promises(flag_key="app.{feature}").flag_of("quiz_autosave")
        'app.quiz-autosave'
        """
        return self.flag_key.replace("{feature}", feature.replace("_", "-")) if self.flag_key else None


class AnswerFormat(Section):
    """The format that the answers of a feature have.

    Attributes:
        json_object: Whether an answer is a JSON object or list.
        keys: Keys that the object has.
        longest: The largest number of characters.
    """

    json_object: bool = False
    keys: tuple[str, ...] = ()
    longest: int | None = Field(None, ge=1)


class Answers(Section):
    """How the answers of language models are kept and scored.

    Attributes:
        texts: What is kept of texts: all (`keep`), their first characters (`cut`) or only digests (`hash`).
        longest_text: How many characters are kept of a text that is cut.
        formats: The format of a feature's answers, by feature.
        harms: The scores that make an answer bad.
    """

    texts: KeptTexts = "keep"
    longest_text: int = Field(2_000, ge=1)
    formats: Mapping[str, AnswerFormat] = Field(default_factory=dict)
    harms: tuple[str, ...] = HARMS

    @field_validator("harms")
    @classmethod
    def _are_scores(cls, harms: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [each for each in harms if each not in NAMES]
        if unknown:
            raise ValueError(f"has {', '.join(unknown)}, which are no scores; there are {', '.join(NAMES)}")
        return harms

    def parameters(self) -> Mapping[str, Any]:
        """Return the parameters of the query that scores answers."""
        formats = [
            {"feature": name, "is_json": each.json_object, "keys": list(each.keys), "longest": each.longest}
            for name, each in self.formats.items()
        ]
        return score_parameters(formats, self.harms)
