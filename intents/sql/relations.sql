-- The intents around one: its parent, what it repeats, its children, its retries, and others of the same correlation id.
-- Each kind along an index of its own, no more than `limit` of it.
SELECT related.kind, relative.*
FROM intents_intent AS intent
CROSS JOIN LATERAL (
    (SELECT 'parent' AS kind, intent.parent_id AS id WHERE intent.parent_id IS NOT NULL)
    UNION ALL
    (SELECT 'retry_of', intent.retry_of_id WHERE intent.retry_of_id IS NOT NULL)
    UNION ALL
    (
        SELECT 'child', child.id
        FROM intents_intent AS child
        WHERE child.parent_id = intent.id
        ORDER BY child.id
        LIMIT %(limit)s
    )
    UNION ALL
    (
        SELECT 'retry', again.id
        FROM intents_intent AS again
        WHERE again.retry_of_id = intent.id
        ORDER BY again.id
        LIMIT %(limit)s
    )
    UNION ALL
    (
        SELECT 'sibling', sibling.id
        FROM intents_intent AS sibling
        WHERE sibling.workspace_id = intent.workspace_id
            AND sibling.correlation_id = intent.correlation_id
            AND sibling.id <> intent.id
            -- These are named already.
            AND sibling.parent_id IS DISTINCT FROM intent.id
            AND sibling.retry_of_id IS DISTINCT FROM intent.id
            AND sibling.id IS DISTINCT FROM intent.parent_id
            AND sibling.id IS DISTINCT FROM intent.retry_of_id
        ORDER BY sibling.id DESC
        LIMIT %(limit)s
    )
) AS related
CROSS JOIN LATERAL (
    SELECT
        other.id AS intent_id, other.status, other.intent_type, other.to_agent, other.step_id, other.attempt,
        other.created_at, other.updated_at
    FROM intents_intent AS other
    WHERE other.id = related.id AND other.workspace_id = intent.workspace_id
) AS relative
WHERE intent.id = %(intent_id)s
