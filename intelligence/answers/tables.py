"""The tables of the answers layer."""

from typing import Final

from intelligence.core.tables import Claim, Column, Recipe, Table, rate_claim
from intelligence.warehouse.tables import FACT_ANSWERS

# How many days before its own a day's changes of versions are looked for in.
CHANGE_LOOK_BACK_DAYS: Final = 55
_WINDOW: Final = "event_date >= $start AND event_date < $end"
_OF: Final = (
    Column("event_date", "DATE", "Day on the product's clock.", True),
    Column("feature", "VARCHAR", "Feature that gave the answers.", True),
)
_VERSIONS: Final = (
    Column("model_version", "VARCHAR", "Model with its version.", True),
    Column("prompt_version", "VARCHAR", "Version of the prompt.", True),
)

QUALITY_DAY: Final = Table(
    layer="answers",
    name="quality_day",
    recipe=Recipe(queries=("answers/quality_day.sql",), tables=(FACT_ANSWERS,)),
    description="One row per day, feature, versions, segment and measure: of how many answers it can be told, and of how many it holds.",
    columns=(
        *_OF,
        *_VERSIONS,
        Column("segment", "VARCHAR", "Kind of user.", True),
        Column(
            "measure",
            "VARCHAR",
            "A score, or bad (any harm), rated, good_rating (4 and more, of ratings), followed_up, corrected.",
            True,
        ),
        Column("total", "BIGINT", "Answers, or ratings, of which it can be told.", True),
        Column("hits", "BIGINT", "Those of them of which it holds.", True),
        Column("rate", "DOUBLE", "hits / total.", True),
        Column("users", "BIGINT", "Users whom they belong to.", True),
        Column("hit_users", "BIGINT", "Users with a hit.", True),
        Column("hit_square_sum", "BIGINT", "Sum over users of hits squared.", True),
        Column("cross_sum", "BIGINT", "Sum over users of hits x total.", True),
        Column("total_square_sum", "BIGINT", "Sum over users of total squared.", True),
    ),
    key=("event_date", "feature", "model_version", "prompt_version", "segment", "measure"),
    day="event_date",
    page="""
        SELECT feature, measure, sum(hits) AS hits, sum(total) AS answers, list(rate ORDER BY event_date) AS rate_14d
        FROM (
            SELECT event_date, feature, measure, sum(hits) AS hits, sum(total) AS total, sum(hits) / sum(total) AS rate
            FROM answers.quality_day WHERE event_date >= $end - INTERVAL 14 DAY AND event_date < $end GROUP BY ALL
        )
        WHERE measure NOT IN ('rated', 'good_rating') GROUP BY ALL HAVING sum(hits) > 0
        ORDER BY sum(hits) / sum(total) DESC LIMIT 12""",
    numbers=f"""
        SELECT event_date, sum(hits) FILTER (measure = 'bad') / sum(total) FILTER (measure = 'bad') AS bad_rate,
               sum(hits) FILTER (measure = 'good_rating') / sum(total) FILTER (measure = 'good_rating') AS good_rating_rate
        FROM answers.quality_day WHERE {_WINDOW} GROUP BY event_date ORDER BY event_date""",
    claims=(
        rate_claim("answers.quality_day", "event_date", ("rate",)),
        Claim(
            name="bad_answers_add_up",
            description="The bad answers of a day are those among its facts.",
            contradictions=f"""
                SELECT event_date, facts.n AS facts, counted.n AS counted
                FROM (
                    SELECT event_date, count(*) FILTER (is_bad) AS n FROM warehouse.fact_answers
                    WHERE {_WINDOW} AND is_scored GROUP BY event_date
                ) AS facts
                FULL JOIN (
                    SELECT event_date, CAST(sum(hits) AS BIGINT) AS n FROM answers.quality_day
                    WHERE {_WINDOW} AND measure = 'bad' GROUP BY event_date
                ) AS counted USING (event_date)
                WHERE facts.n IS DISTINCT FROM counted.n""",
        ),
    ),
)

ANSWER_DAY: Final = Table(
    layer="answers",
    name="answer_day",
    recipe=Recipe(queries=("answers/answer_day.sql",), tables=(FACT_ANSWERS,)),
    description="One row per day, feature and versions: answers, ratings, latency, and the cost of a good answer.",
    columns=(
        *_OF,
        *_VERSIONS,
        Column("answers", "BIGINT", "Answers.", True),
        Column("users", "BIGINT", "Different users.", True),
        Column("scored_answers", "BIGINT", "Answers with texts that can be scored.", True),
        Column(
            "erased_answers", "BIGINT", "Answers whose texts were erased, so that they are not scored any more.", True
        ),
        Column("bad_answers", "BIGINT", "Scored answers that are bad.", True),
        Column("good_answers", "BIGINT", "Scored answers that are not.", True),
        Column("ratings", "BIGINT", "Ratings.", True),
        Column("good_ratings", "BIGINT", "Ratings of 4 and more.", True),
        Column("p50_latency_ms", "DOUBLE", "Median time to answer."),
        Column("p95_latency_ms", "DOUBLE", "95th percentile of it."),
        Column("tokens_in", "BIGINT", "Tokens of the requests."),
        Column("tokens_out", "BIGINT", "Tokens of the answers."),
        Column("cost", "DOUBLE", "What all of them cost."),
        Column("priced_answers", "BIGINT", "Answers whose cost is told.", True),
        Column("cost_per_good_answer", "DOUBLE", "Cost of the scored answers over the good ones."),
    ),
    key=("event_date", "feature", "model_version", "prompt_version"),
    day="event_date",
    page="""
        SELECT feature, prompt_version, sum(answers) AS answers, sum(bad_answers) AS bad,
               sum(cost) / nullif(sum(good_answers), 0) AS cost_per_good
        FROM answers.answer_day WHERE event_date >= $end - INTERVAL 7 DAY AND event_date < $end
        GROUP BY ALL ORDER BY bad DESC LIMIT 12""",
    claims=(
        Claim(
            name="scored_answers_are_good_or_bad",
            description="Each scored answer is either good or bad.",
            contradictions=f"""
                SELECT * FROM answers.answer_day WHERE {_WINDOW} AND scored_answers <> good_answers + bad_answers""",
        ),
        Claim(
            name="erased_answers_are_not_scored",
            description="No answer is both scored and erased.",
            contradictions=f"""
                SELECT * FROM answers.answer_day WHERE {_WINDOW} AND scored_answers + erased_answers > answers""",
        ),
    ),
)

VERSION_CHANGES: Final = Table(
    layer="answers",
    name="version_changes",
    recipe=Recipe(functions=("intelligence.answers.changes:version_changes",), tables=(QUALITY_DAY,)),
    description="One row per day, feature, new version and measure: how the measure is since the version came, and how it was before.",
    columns=(
        *_OF,
        Column("changed", "VARCHAR", "model_version or prompt_version.", True),
        Column("version", "VARCHAR", "The new version.", True),
        Column("since", "DATE", "Its first day.", True),
        Column("measure", "VARCHAR", "The measure, as in answers.quality_day.", True),
        Column("total_before", "BIGINT", "Answers of the feature in the 14 days before.", True),
        Column("hits_before", "BIGINT", "Those with the measure.", True),
        Column("total_after", "BIGINT", "Answers of the version in its first 14 days, as far as they are over.", True),
        Column("hits_after", "BIGINT", "Those with the measure.", True),
        Column("difference", "DOUBLE", "Rate after less rate before.", True),
        Column("low", "DOUBLE", "Lower bound of its 95 % interval, clustered by user.", True),
        Column("high", "DOUBLE", "Upper bound of it.", True),
        Column("verdict", "VARCHAR", "worse, better, or none shown.", True),
        Column("grade", "VARCHAR", "Grade of the evidence: D, what came at the same time.", True),
    ),
    key=("event_date", "feature", "changed", "version", "measure"),
    day="event_date",
    lookback_days=CHANGE_LOOK_BACK_DAYS,
    page="""
        SELECT feature, version, since, measure, difference FROM answers.version_changes
        WHERE event_date = $end - INTERVAL 1 DAY AND verdict = 'worse' ORDER BY difference DESC LIMIT 12""",
    claims=(
        Claim(
            name="bounds_are_in_order",
            description="The difference lies within its interval.",
            contradictions=f"""
                SELECT * FROM answers.version_changes WHERE {_WINDOW} AND NOT (low <= difference AND difference <= high)""",
        ),
    ),
)

TABLES: Final = (QUALITY_DAY, ANSWER_DAY, VERSION_CHANGES)
