"""The measures of answers in words."""

from typing import Final

from intelligence.warehouse.answer_scores import BY_NAME

MEASURE_WORDS: Final = {
    "bad": "bad answers",
    "good_rating": "good ratings",
    "rated": "answers that are rated",
    "followed_up": "answers after which users ask again",
    "corrected": "answers that people correct",
    **{name: score.noun for name, score in BY_NAME.items()},
}
