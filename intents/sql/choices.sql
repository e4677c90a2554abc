-- What the fields of the list's filters offer: the workspace's first agents, and its types of intents. Hops from type
-- to type along their index, so that its cost grows with the types, not with the intents.
WITH RECURSIVE hop AS (
    (
        SELECT intent_type, 1 AS number
        FROM intents_intent
        WHERE workspace_id = %(workspace_id)s::uuid
        ORDER BY workspace_id, intent_type
        LIMIT 1
    )
    UNION ALL
    SELECT next.intent_type, hop.number + 1
    FROM hop
    CROSS JOIN LATERAL (
        SELECT intent.intent_type
        FROM intents_intent AS intent
        WHERE intent.workspace_id = %(workspace_id)s::uuid AND intent.intent_type > hop.intent_type
        ORDER BY intent.workspace_id, intent.intent_type
        LIMIT 1
    ) AS next
    WHERE hop.number < %(most)s
)
SELECT
    ARRAY(
        SELECT address FROM agents_agent WHERE workspace_id = %(workspace_id)s::uuid ORDER BY address LIMIT %(most)s
    ) AS agents,
    ARRAY(SELECT intent_type FROM hop) AS types
