"""The tables of the briefs layer: what may be said on a day, and what is said, sentence by sentence."""

from typing import Final

from intelligence.core.tables import Claim, Column, Table

_WINDOW: Final = "event_date >= $start AND event_date < $end"

FACTS: Final = Table(
    layer="briefs",
    name="facts",
    description="One row per day and fact that a brief of the day cites: what may be said, and where it comes from.",
    columns=(
        Column("event_date", "DATE", "Newest day with figures when it was read.", True),
        Column("fact", "VARCHAR", "Id: query, row and field.", True),
        Column("value", "DOUBLE", "The number; NULL where it is a day or words."),
        Column("text", "VARCHAR", "The value as a sentence writes it.", True),
        Column("unit", "VARCHAR", "Unit of the number; empty where it has none.", True),
        Column("low", "DOUBLE", "Lower bound of its interval; NULL without one."),
        Column("high", "DOUBLE", "Upper bound."),
        Column("first_day", "DATE", "First day that it is about; NULL where it is about none."),
        Column("last_day", "DATE", "Last day."),
        Column("grade", "VARCHAR", "Evidence grade from A to D, of a claim about an effect; NULL for a measurement."),
        Column("source", "VARCHAR", "Tables that it comes from; `definition` for a constant of the method.", True),
        Column("query", "VARCHAR", "SQL file that reads it, or the function that computes it.", True),
        Column("row", "VARCHAR", "Key of the row in the query.", True),
        Column("field", "VARCHAR", "Column of the query, and what was computed from it after a dot.", True),
        Column("lake_snapshot", "BIGINT", "Snapshot of the lake that was read.", True),
    ),
    key=("event_date", "fact"),
    day="event_date",
    newest_day_only=True,
    page="""
        SELECT text AS said, fact, source, coalesce(grade, '') AS grade FROM briefs.facts
        WHERE event_date = (SELECT max(event_date) FROM briefs.facts) ORDER BY fact LIMIT 15""",
    claims=(
        Claim(
            name="intervals_are_in_order",
            description="The lower bound of an interval is not above the upper one.",
            contradictions=f"SELECT event_date, fact, low, high FROM briefs.facts WHERE {_WINDOW} AND low > high",
        ),
    ),
)

BRIEFS: Final = Table(
    layer="briefs",
    name="briefs",
    description="One row per day, brief and sentence: its words, with the ids of the facts that it cites, and its text.",
    columns=(
        Column("event_date", "DATE", "Newest day that it knows of.", True),
        Column("brief", "VARCHAR", "Id: kind, and what it is about.", True),
        Column("kind", "VARCHAR", "day, week, decision, experiment or incident.", True),
        Column("subject", "VARCHAR", "Which feature, experiment or episode; empty for a day or a week.", True),
        Column("place", "BIGINT", "Place of the sentence; the title has 0.", True),
        Column("section", "VARCHAR", "Heading above it; empty for the title.", True),
        Column("template", "VARCHAR", "Its words, with ids of facts in braces where values stand.", True),
        Column("text", "VARCHAR", "The sentence.", True),
        Column("facts", "VARCHAR[]", "Ids of the facts that it cites, in their order.", True),
        Column("grades", "VARCHAR[]", "Evidence grades of the claims in it.", True),
    ),
    key=("event_date", "brief", "place"),
    day="event_date",
    newest_day_only=True,
    page="""
        SELECT section, text FROM briefs.briefs
        WHERE event_date = (SELECT max(event_date) FROM briefs.briefs) AND kind = 'day' ORDER BY place LIMIT 30""",
    claims=(
        Claim(
            name="every_cited_fact_is_known",
            description="Each fact that a sentence cites is in briefs.facts of its day.",
            contradictions=f"""
                SELECT event_date, brief, place, fact
                FROM (SELECT event_date, brief, place, unnest(facts) AS fact FROM briefs.briefs WHERE {_WINDOW})
                ANTI JOIN briefs.facts USING (event_date, fact)""",
        ),
        Claim(
            name="no_number_stands_outside_a_fact",
            description="Outside the ids of facts, the words of a sentence hold no digit.",
            contradictions=f"""
                SELECT event_date, brief, place, template FROM briefs.briefs
                WHERE {_WINDOW} AND regexp_matches(regexp_replace(template, '\\{{[^}}]*\\}}', '', 'g'), '\\d')""",
        ),
    ),
)

TABLES: Final = (FACTS, BRIEFS)
