-- The candidates that an id names: the intent itself, and those of the correlation id.
listed AS MATERIALIZED (
    SELECT every.id
    FROM (
        SELECT intent.id FROM intents_intent AS intent WHERE intent.id = %(named_id)s::uuid
        UNION
        SELECT along.id
        FROM (
            SELECT intent.id
            FROM intents_intent AS intent
            WHERE (intent.workspace_id, intent.correlation_id, intent.id)
                > (%(workspace_id)s::uuid, %(named_id)s::uuid, %(low)s::uuid)
                AND (intent.workspace_id, intent.correlation_id, intent.id)
                < (%(workspace_id)s::uuid, %(named_id)s::uuid, %(high)s::uuid)
            ORDER BY intent.workspace_id {order}, intent.correlation_id {order}, intent.id {order}
            LIMIT %(window)s
        ) AS along
    ) AS every
    WHERE every.id > %(low)s::uuid AND every.id < %(high)s::uuid
    ORDER BY every.id {order}
    LIMIT %(window)s
),
{listed}
