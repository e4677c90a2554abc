-- The newest intents for an agent that fit and that the caller may see, not looking further back than `deepest`.
-- Said as a range, not as an equality: so only the index on (agent, id) gives the order, whatever the statistics say.
WITH scanned AS NOT MATERIALIZED (
    SELECT intent.recipient_id AS shelf, intent.id, intent.status, intent.intent_type, intent.correlation_id
    FROM intents_intent AS intent
    WHERE (intent.recipient_id, intent.id) < (%(recipient_id)s, %(before)s)
        AND intent.recipient_id >= %(recipient_id)s AND {visible}
    ORDER BY intent.recipient_id DESC, intent.id DESC
    LIMIT %(deepest)s
),
{page}
