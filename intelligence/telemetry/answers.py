"""The contract of answers: what is known of each answer that a language model gave to a user.

It is validated as the contract of events is (`intelligence.telemetry.contract`). An answer's texts are optional, and so is all that
is scored from them.
"""

from typing import Final

from intelligence.telemetry.contract import IDENTIFIER_LIMIT, WEEK_MS, EventField

LONGEST_TEXT: Final = 1_000_000
TEXTS: Final = ("question", "context", "answer", "correction")


def _name(name: str, description: str, *, required: bool = False) -> EventField:
    return EventField(
        name=name,
        type="VARCHAR",
        description=description,
        required=required,
        name_like=True,
        longest=IDENTIFIER_LIMIT,
    )


def _text(name: str, description: str) -> EventField:
    return EventField(name=name, type="VARCHAR", description=description, longest=LONGEST_TEXT)


def _count(name: str, description: str) -> EventField:
    return EventField(name=name, type="BIGINT", description=description, whole=True, lowest=0, highest=1_000_000_000)


ANSWER: Final[tuple[EventField, ...]] = (
    _name("answer_id", "Identity of the answer; derived from the row's content where the source has none."),
    EventField(name="event_time", type="TIMESTAMP", description="When it was given, in UTC.", required=True),
    _name("user_id", "Who asked (pseudonymous).", required=True),
    _name("session_id", "Visit or conversation that it belongs to."),
    _name("feature", "Product feature that gave it.", required=True),
    _name("model_version", "Model that wrote it, with its version."),
    _name("prompt_version", "Version of the prompt."),
    _text("question", "What was asked."),
    _text("context", "What the model was given to answer from, such as retrieved passages."),
    _text("answer", "What it answered."),
    _name("finish_reason", "Why the model stopped: stop, length, content_filter, …"),
    EventField(name="latency_ms", type="DOUBLE", description="Time to answer.", lowest=0, highest=WEEK_MS),
    _count("tokens_in", "Tokens of the request."),
    _count("tokens_out", "Tokens of the answer."),
    EventField(
        name="cost", type="DOUBLE", description="What it cost, in the product's currency.", lowest=0, highest=1e9
    ),
    EventField(name="rating", type="DOUBLE", description="A person's rating of it, 1 to 5.", lowest=1, highest=5),
    _name("rater", "Who rated it, where that is not the user; a row for each rater."),
    _text("correction", "What a person says that it should have been."),
    EventField(name="followed_up", type="BOOLEAN", description="Whether the user asked again about the same."),
    _name("segment", "Kind of user, such as teacher or student."),
    _name("experiment", "Experiment that the user was exposed to."),
    _name("variant", "Arm of that experiment."),
)
