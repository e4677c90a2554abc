-- One window of a search: of the next so many candidates those that are wanted, in their order, and where the window
-- ends (`edge`; nothing if there are no more candidates). It reads no further than it needs to fill the page.
WITH wanted AS (
    {wanted}
),
{candidates},
found AS (
    SELECT intent.*
    FROM candidate AS intent
    CROSS JOIN wanted
    WHERE {fits}
    ORDER BY {keys}
    LIMIT %(limit)s
)
SELECT
    edge.id AS edge, found.id AS intent_id, found.status, found.waiting_reason, found.seq, found.intent_type,
    found.to_agent, found.from_agent, found.correlation_id, found.created_at, found.updated_at, found.attempt,
    found.max_delivery_attempts, found.retry_of_id, found.parent_id, standing.code, standing.is_retried
FROM (SELECT) AS always
LEFT JOIN edge ON true
LEFT JOIN found ON true
LEFT JOIN intents_standing AS standing ON standing.intent_id = found.id
ORDER BY found.id {order}
