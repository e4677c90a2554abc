-- These steps of these intents, with their values.
SELECT
    checkpoint.intent_id, checkpoint.step, checkpoint.attempt, checkpoint.at, checkpoint.size,
    checkpoint.content_type, checkpoint.value
FROM unnest(%(ids)s::uuid[], %(steps)s::text[]) AS asked (intent_id, step)
JOIN intents_checkpoint AS checkpoint
    ON checkpoint.intent_id = asked.intent_id AND checkpoint.step = asked.step
