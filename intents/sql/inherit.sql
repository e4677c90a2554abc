-- Give new intents the checkpoints of the ones that they repeat.
WITH heir AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(ancestors)s::uuid[]) AS heir (intent_id, ancestor_id)
),
copied AS (
    INSERT INTO intents_checkpoint (intent_id, step, position, attempt, content_type, value, at)
    SELECT
        heir.intent_id, checkpoint.step, checkpoint.position, 0, checkpoint.content_type, checkpoint.value,
        checkpoint.at
    FROM heir
    JOIN intents_checkpoint AS checkpoint ON checkpoint.intent_id = heir.ancestor_id
    RETURNING intent_id, size
)
UPDATE intents_intent AS intent
SET checkpoint_count = inherited.number, checkpoint_bytes = inherited.size
FROM (SELECT intent_id, count(*) AS number, sum(size) AS size FROM copied GROUP BY intent_id) AS inherited
WHERE intent.id = inherited.intent_id
