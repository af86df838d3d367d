-- The rows of `judged` for raw_answers. A row is an answer, or a further rating of it: answer and rater identify it. Of rows with
-- the same identity the first that was ever delivered counts; one with other content contradicts it.
CREATE OR REPLACE TEMP TABLE answers_taken AS
WITH identified AS (
    SELECT
        judged.* EXCLUDE (broken, broken_value, payload, file_key) REPLACE (coalesce(answer_id, content_id) AS answer_id),
        batch_id,
        source_file,
        delivery_number,
        CAST(local_time(event_time) AS DATE) AS event_date
    FROM judged
    INNER JOIN deliveries USING (file_key)
    WHERE broken IS NULL
),
known AS (
    SELECT event_date, answer_id, rater, any_value(content_id) AS content_id
    FROM telemetry.raw_answers
    WHERE event_date IN (SELECT DISTINCT event_date FROM identified) AND source = $source AND NOT is_duplicate
    GROUP BY event_date, answer_id, rater
),
placed AS (
    SELECT
        identified.*,
        known.answer_id IS NOT NULL AS is_known,
        first_value(identified.content_id) OVER same AS first_content,
        row_number() OVER same AS place,
        known.content_id AS known_content
    FROM identified
    LEFT JOIN known
        ON identified.event_date = known.event_date
        AND identified.answer_id = known.answer_id
        AND identified.rater IS NOT DISTINCT FROM known.rater
    WINDOW same AS (
        PARTITION BY identified.event_date, identified.answer_id, identified.rater ORDER BY delivery_number, source_row
    )
)
SELECT
    * EXCLUDE (is_known, first_content, place, known_content, delivery_number),
    is_known OR place > 1 AS is_duplicate,
    content_id <> coalesce(known_content, first_content) AS is_conflict
FROM placed
