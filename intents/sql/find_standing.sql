-- The candidates that stand in one of a few rare statuses.
listed AS MATERIALIZED (
    SELECT one.intent_id AS id
    FROM unnest(%(standing)s::text[]) AS asked (status)
    CROSS JOIN LATERAL (
        SELECT standing.intent_id
        FROM intents_standing AS standing
        WHERE (standing.workspace_id, standing.status, standing.intent_id)
            > (%(workspace_id)s::uuid, asked.status, %(low)s::uuid)
            AND (standing.workspace_id, standing.status, standing.intent_id)
            < (%(workspace_id)s::uuid, asked.status, %(high)s::uuid)
            AND (%(recipient_id)s::bigint IS NULL OR standing.recipient_id = %(recipient_id)s::bigint)
            AND (%(error)s::text IS NULL OR standing.code = %(error)s::text)
            AND (%(is_retried)s::boolean IS NULL OR standing.is_retried = %(is_retried)s::boolean)
        ORDER BY standing.workspace_id {order}, standing.status {order}, standing.intent_id {order}
        LIMIT %(window)s
    ) AS one
    ORDER BY one.intent_id {order}
    LIMIT %(window)s
),
{listed}
