-- An intent's checkpoints in the order in which they were saved; their values where they are short, up to so much
-- together.
SELECT
    checkpoint.step, checkpoint.position, checkpoint.attempt, checkpoint.at, checkpoint.size,
    checkpoint.content_type,
    CASE
        WHEN checkpoint.size <= %(largest)s
            AND sum(checkpoint.size) FILTER (WHERE checkpoint.size <= %(largest)s) OVER before <= %(together)s
            THEN checkpoint.value
    END AS value
FROM intents_checkpoint AS checkpoint
WHERE checkpoint.intent_id = %(intent_id)s
WINDOW before AS (ORDER BY checkpoint.position)
ORDER BY checkpoint.position
LIMIT %(limit)s
