-- All checkpoints of these intents, in order; with the values of those that are small, as long as there are not too
-- many of them.
SELECT
    checkpoint.intent_id, checkpoint.step, checkpoint.attempt, checkpoint.at, checkpoint.size,
    checkpoint.content_type,
    CASE
        WHEN checkpoint.size <= %(small)s
            AND sum(checkpoint.size) FILTER (WHERE checkpoint.size <= %(small)s) OVER earlier <= %(together)s
        THEN checkpoint.value
    END AS value
FROM intents_checkpoint AS checkpoint
WHERE checkpoint.intent_id = ANY(%(ids)s::uuid[])
WINDOW earlier AS (
    PARTITION BY checkpoint.intent_id ORDER BY checkpoint.position, checkpoint.step
    ROWS UNBOUNDED PRECEDING
)
ORDER BY checkpoint.intent_id, checkpoint.position, checkpoint.step
