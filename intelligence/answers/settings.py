"""The section `judge` of product.yaml: the server of a language model that judges a sample of answers."""

from pydantic import Field

from intelligence.core.sections import Address, Section


class Judge(Section):
    """A server that speaks OpenAI's chat protocol, and how much it is asked.

    Attributes:
        url: Where `/chat/completions` is, such as `http://127.0.0.1:11434/v1`; without it nobody is asked and nothing is sent.
        model: Name of the model.
        answers_per_day: How many answers are judged in a run at most.
        calls_per_day: How many calls may be made a day; an answer takes up to three.
        timeout_s: The longest time for one reply.
        least_rated: How many judged answers people must have rated before the judge's numbers are shown.
        least_kappa: How far judge and people must agree beyond chance (Cohen's kappa) before its numbers are shown.
    """

    url: Address | None = None
    model: str = "default"
    answers_per_day: int = Field(50, ge=1, le=10_000)
    calls_per_day: int = Field(300, ge=1)
    timeout_s: float = Field(30, gt=0, le=600)
    least_rated: int = Field(30, ge=1)
    least_kappa: float = Field(0.4, ge=0, le=1)
