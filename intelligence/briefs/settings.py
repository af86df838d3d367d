"""The section `briefs` of product.yaml: where briefs are sent, and who may put them in other words."""

from typing import Self

from pydantic import Field, model_validator

from intelligence.core.sections import Address, Section


class Briefs(Section):
    """Whether the brief of the day goes to Slack, and the language model that may rewrite briefs. By default nothing is sent anywhere.

    Attributes:
        slack: Whether the brief of each new day is sent to the channel of the product's owner, through the outbox.
        rewriter_url: Address of a server that speaks OpenAI's chat protocol, such as `http://127.0.0.1:11434/v1`; None for none.
        rewriter_model: Name of its model.
        rewriter_timeout_s: The longest time for a reply.
        rewriter_calls_per_day: How many calls may be made a day, for briefs and for the choice of tools of questions together.
    """

    slack: bool = False
    rewriter_url: Address | None = None
    rewriter_model: str = Field("", max_length=200)
    rewriter_timeout_s: float = Field(30.0, gt=0, le=600)
    rewriter_calls_per_day: int = Field(100, ge=1)

    @model_validator(mode="after")
    def _names_a_model(self) -> Self:
        if self.rewriter_url and not self.rewriter_model:
            raise ValueError("rewriter_model is missing: name the model of the server at rewriter_url")
        return self
