-- One row per answer, with its ratings and its scores. A score is NULL where the answer gives no evidence for it.
-- A row with a rater is a further rating of the answer that another row has. Texts are read here and not copied. `$formats` has the
-- declared format of each feature, `$harms` the scores that make an answer bad; the patterns are those of `answer_scores.py`.
WITH delivered AS (
    SELECT *
    FROM telemetry.raw_answers
    ANTI JOIN (SELECT user_id FROM warehouse.dim_users WHERE is_bot) AS bots USING (user_id)
    WHERE event_date >= $start AND event_date < $end AND NOT is_duplicate
),
rated AS (
    SELECT
        event_date,
        source,
        answer_id,
        count(*) AS ratings,
        count(*) FILTER (rating >= 4) AS good_ratings,
        count(*) FILTER (rating <= 2) AS bad_ratings,
        avg(rating) AS mean_rating,
        min(rating) AS lowest_rating,
        max(rating) AS highest_rating
    FROM delivered
    WHERE rating IS NOT NULL
    GROUP BY event_date, source, answer_id
),
answers AS (
    SELECT
        * EXCLUDE (rating, rater, question, context, answer),
        CASE WHEN has_texts THEN nullif(trim(question), '') END AS question,
        CASE WHEN has_texts THEN nullif(trim(context), '') END AS context,
        CASE WHEN has_texts THEN nullif(trim(answer, E' \n\t\r'), '') END AS answer,
        has_texts AND (question IS NOT NULL OR context IS NOT NULL) AS is_asked
    FROM delivered
    WHERE rater IS NULL
),
read AS (
    SELECT
        *,
        json_valid(answer) AND regexp_matches(answer, '^[{\[]') AS is_object,
        concat_ws(' ', context, question) AS evidence,
        ' ' || lower(left(answer, 1000)) || ' ' AS spoken,
        ' ' || lower(left(question, 1000)) || ' ' AS asked,
        regexp_replace(lower(left(replace(answer, '’', ''''), 160)), $not_declining, ' ', 'g') AS said_first,
        regexp_extract_all(answer, $an_address) AS addresses,
        regexp_extract_all(answer, $a_day) AS dates,
        -- What is left once days, addresses and the numbers of lists are taken out has the numbers and names.
        regexp_replace(regexp_replace(answer, $no_fact, ' ; ', 'g'), '(?m)^\s*[0-9]+[.)]\s', ' ', 'g') AS plain
    FROM answers
),
found AS (
    SELECT
        *,
        regexp_extract_all(plain, $a_number) AS numbers,
        regexp_extract_all(plain, '\b[A-Z][a-zà-ÿ]+(?: [A-Z][a-zà-ÿ]+)+\b') AS names,
        list_filter(
            regexp_extract_all(answer, '["“„«]([^"“”„«»]+)["”“»]', 1),
            lambda quote: length(quote) BETWEEN 12 AND 300 AND regexp_matches(trim(quote), '\S+\s+\S+\s+\S+')
        ) AS phrases,
        CASE WHEN context IS NOT NULL AND regexp_matches(plain, '[0-9]') THEN
            regexp_extract_all(regexp_replace(evidence, $a_day, ' ; ', 'g'), $a_number)
        END AS known_numbers,
        CASE WHEN context IS NOT NULL AND len(dates) > 0 THEN regexp_extract_all(evidence, $a_day) END AS known_dates,
        regexp_matches(answer, $going_up) AS goes_up,
        regexp_matches(answer, $going_down) AS goes_down,
        contains(spoken, ' the ')::INT + contains(spoken, ' and ')::INT + contains(spoken, ' of ')::INT + contains(spoken, ' is ')::INT + contains(spoken, ' to ')::INT + contains(spoken, ' that ')::INT AS english,
        contains(spoken, ' der ')::INT + contains(spoken, ' die ')::INT + contains(spoken, ' und ')::INT + contains(spoken, ' ist ')::INT + contains(spoken, ' das ')::INT + contains(spoken, ' nicht ')::INT AS german,
        contains(spoken, ' le ')::INT + contains(spoken, ' les ')::INT + contains(spoken, ' et ')::INT + contains(spoken, ' est ')::INT + contains(spoken, ' des ')::INT + contains(spoken, ' une ')::INT AS french,
        contains(spoken, ' el ')::INT + contains(spoken, ' los ')::INT + contains(spoken, ' y ')::INT + contains(spoken, ' es ')::INT + contains(spoken, ' las ')::INT + contains(spoken, ' una ')::INT AS spanish,
        contains(asked, ' the ')::INT + contains(asked, ' and ')::INT + contains(asked, ' of ')::INT + contains(asked, ' is ')::INT + contains(asked, ' to ')::INT + contains(asked, ' that ')::INT AS asked_english,
        contains(asked, ' der ')::INT + contains(asked, ' die ')::INT + contains(asked, ' und ')::INT + contains(asked, ' ist ')::INT + contains(asked, ' das ')::INT + contains(asked, ' nicht ')::INT AS asked_german,
        contains(asked, ' le ')::INT + contains(asked, ' les ')::INT + contains(asked, ' et ')::INT + contains(asked, ' est ')::INT + contains(asked, ' des ')::INT + contains(asked, ' une ')::INT AS asked_french,
        contains(asked, ' el ')::INT + contains(asked, ' los ')::INT + contains(asked, ' y ')::INT + contains(asked, ' es ')::INT + contains(asked, ' las ')::INT + contains(asked, ' una ')::INT AS asked_spanish,
        CASE WHEN NOT is_object THEN
            list_transform(
                list_filter(string_split_regex(answer, '[.!?]\s+|\n+'), lambda part: length(trim(part)) > 15),
                lambda part: lower(trim(part, ' .!?'))
            )
        END AS sentences
    FROM read
),
typed AS (
    SELECT
        * EXCLUDE (numbers, known_numbers, dates, known_dates),
        -- `1,234.5` is written without its commas; a single comma between digits is a decimal one.
        list_transform(
            numbers,
            lambda n: rtrim(
                CASE WHEN regexp_full_match(n, '[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?\.?') THEN replace(n, ',', '') ELSE replace(n, ',', '.') END,
                '.'
            )
        ) AS numbers,
        list_transform(
            known_numbers,
            lambda n: TRY_CAST(rtrim(
                CASE WHEN regexp_full_match(n, '[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?\.?') THEN replace(n, ',', '') ELSE replace(n, ',', '.') END,
                '.'
            ) AS DOUBLE)
        ) AS known_numbers,
        list_transform(
            dates,
            lambda d: coalesce(CAST(CAST(try_strptime(
                replace(regexp_replace(replace(d, ',', ''), '(?i)([0-9])(?:\.|st|nd|rd|th)?(?: of)? ', '\1 ', 'g'), '.', '/'),
                ['%Y-%m-%d', '%d %B %Y', '%B %d %Y', '%d/%m/%Y', '%m/%d/%Y']
            ) AS DATE) AS VARCHAR), d)
        ) AS dates,
        list_transform(
            known_dates,
            lambda d: coalesce(CAST(CAST(try_strptime(
                replace(regexp_replace(replace(d, ',', ''), '(?i)([0-9])(?:\.|st|nd|rd|th)?(?: of)? ', '\1 ', 'g'), '.', '/'),
                ['%Y-%m-%d', '%d %B %Y', '%B %d %Y', '%d/%m/%Y', '%m/%d/%Y']
            ) AS DATE) AS VARCHAR), d)
        ) AS known_dates,
        CASE
            WHEN english >= 2 AND english > greatest(german, french, spanish) THEN 'en'
            WHEN german >= 2 AND german > greatest(english, french, spanish) THEN 'de'
            WHEN french >= 2 AND french > greatest(english, german, spanish) THEN 'fr'
            WHEN spanish >= 2 AND spanish > greatest(english, german, french) THEN 'es'
        END AS language,
        CASE
            WHEN asked_english >= 2 AND asked_english > greatest(asked_german, asked_french, asked_spanish) THEN 'en'
            WHEN asked_german >= 2 AND asked_german > greatest(asked_english, asked_french, asked_spanish) THEN 'de'
            WHEN asked_french >= 2 AND asked_french > greatest(asked_english, asked_german, asked_spanish) THEN 'fr'
            WHEN asked_spanish >= 2 AND asked_spanish > greatest(asked_english, asked_german, asked_french) THEN 'es'
        END AS asked_language,
        CASE WHEN goes_up <> goes_down AND context IS NOT NULL THEN
            regexp_matches(context, $going_up)
        END AS known_up,
        CASE WHEN goes_up <> goes_down AND context IS NOT NULL THEN
            regexp_matches(context, $going_down)
        END AS known_down,
        replace(replace(lower(evidence), chr(10), ' '), '’', '''') AS known_words
    FROM found
),
scored AS (
    SELECT
        typed.*,
        -- Numbers up to 2 count words more than facts.
        CASE WHEN context IS NOT NULL AND len(list_filter(numbers, lambda n: TRY_CAST(n AS DOUBLE) > 2)) > 0 THEN
            len(list_filter(
                list_filter(numbers, lambda n: TRY_CAST(n AS DOUBLE) > 2),
                lambda n: coalesce(
                    list_min(list_transform(known_numbers, lambda known: least(
                        abs(known - CAST(n AS DOUBLE)), abs(100 * known - CAST(n AS DOUBLE))
                    ))) > 0.5 * 10.0 ** (-length(split_part(n, '.', 2))) + 1e-9,
                    true
                )
            )) > 0
        END AS ungrounded_number,
        CASE WHEN context IS NOT NULL AND len(dates) > 0 THEN NOT list_has_all(coalesce(known_dates, []), dates) END AS ungrounded_date,
        CASE WHEN context IS NOT NULL AND len(names) > 0 AND NOT is_object AND language = 'en' THEN
            len(list_filter(
                flatten(list_transform(names, lambda name: string_split(name, ' '))),
                lambda word: length(word) > 2 AND NOT contains(known_words, lower(word))
                    AND lower(word) NOT IN ('the', 'that', 'this', 'here', 'and', 'but', 'yes', 'dear', 'you', 'call', 'they', 'his', 'her')
            )) > 0
        END AS ungrounded_name,
        CASE WHEN context IS NOT NULL AND len(phrases) > 0 AND NOT is_object THEN
            len(list_filter(
                phrases,
                lambda phrase: NOT contains(
                    known_words, trim(regexp_replace(replace(lower(phrase), '’', ''''), '\s+', ' ', 'g'), ' .,;:!?')
                )
            )) > 0
        END AS ungrounded_quote,
        CASE WHEN known_up <> known_down THEN goes_up <> known_up END AS contradicted_direction,
        CASE WHEN answer IS NOT NULL THEN
            regexp_matches(said_first, $firmly) OR (length(answer) <= 240 AND regexp_matches(said_first, $declining))
        END AS refusal,
        CASE WHEN is_asked OR answer IS NOT NULL THEN
            answer IS NULL OR lower(trim(answer, ' ."''')) IN ('', 'n/a', 'na', 'none', 'null', 'nil', '-', 'undefined')
        END AS "empty",
        CASE WHEN answer IS NOT NULL THEN
            coalesce(lower(finish_reason) IN ('length', 'max_tokens', 'max_length'), false)
            OR (
                length(answer) >= 40 AND NOT is_object
                AND regexp_matches(answer, $no_end)
                AND NOT regexp_matches(answer, $an_end)
            )
        END AS cut_off,
        CASE WHEN len(sentences) >= 3 THEN len(list_distinct(sentences)) <= 0.5 * len(sentences) END AS repetition,
        CASE WHEN language IS NOT NULL AND asked_language IS NOT NULL THEN language <> asked_language END AS other_language,
        CASE WHEN formats.feature IS NOT NULL AND answer IS NOT NULL THEN
            coalesce(is_json AND NOT is_object, false)
            OR coalesce(length(answer) > formats.longest, false)
            OR coalesce(is_object AND NOT list_has_all(json_keys(CASE WHEN is_object THEN answer ELSE '{}' END), formats.keys), false)
        END AS broken_format,
        CASE WHEN answer IS NOT NULL THEN
            regexp_matches(answer, $unsafe)
        END AS unsafe,
        CASE WHEN answer IS NOT NULL THEN
            len(list_filter(addresses, lambda each: NOT contains(evidence, each))) > 0
        END AS personal_data
    FROM typed
    LEFT JOIN (SELECT unnest($formats, recursive := true)) AS formats ON typed.feature = formats.feature
)
SELECT
    scored.event_date,
    scored.source,
    scored.answer_id,
    event_time,
    user_id,
    session_id,
    feature,
    coalesce(model_version, 'unknown') AS model_version,
    coalesce(prompt_version, 'unknown') AS prompt_version,
    coalesce(segment, 'unknown') AS segment,
    experiment,
    variant,
    latency_ms,
    tokens_in,
    tokens_out,
    cost,
    coalesce(ratings, 0) AS ratings,
    coalesce(good_ratings, 0) AS good_ratings,
    coalesce(bad_ratings, 0) AS bad_ratings,
    mean_rating,
    lowest_rating,
    highest_rating,
    correction IS NOT NULL AS is_corrected,
    followed_up,
    has_texts AS is_scored,
    erased_at IS NOT NULL AS is_erased,
    ungrounded_number,
    ungrounded_date,
    ungrounded_name,
    ungrounded_quote,
    contradicted_direction,
    refusal,
    "empty",
    cut_off,
    repetition,
    other_language,
    broken_format,
    unsafe,
    personal_data,
    CASE WHEN has_texts THEN
        coalesce(ungrounded_number AND list_contains($harms, 'ungrounded_number'), false)
        OR coalesce(ungrounded_date AND list_contains($harms, 'ungrounded_date'), false)
        OR coalesce(ungrounded_name AND list_contains($harms, 'ungrounded_name'), false)
        OR coalesce(ungrounded_quote AND list_contains($harms, 'ungrounded_quote'), false)
        OR coalesce(contradicted_direction AND list_contains($harms, 'contradicted_direction'), false)
        OR coalesce(refusal AND list_contains($harms, 'refusal'), false)
        OR coalesce("empty" AND list_contains($harms, 'empty'), false)
        OR coalesce(cut_off AND list_contains($harms, 'cut_off'), false)
        OR coalesce(repetition AND list_contains($harms, 'repetition'), false)
        OR coalesce(other_language AND list_contains($harms, 'other_language'), false)
        OR coalesce(broken_format AND list_contains($harms, 'broken_format'), false)
        OR coalesce(unsafe AND list_contains($harms, 'unsafe'), false)
        OR coalesce(personal_data AND list_contains($harms, 'personal_data'), false)
    END AS is_bad
FROM scored
LEFT JOIN rated USING (event_date, source, answer_id)
