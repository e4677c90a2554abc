-- The newest intents for an agent that fit and that the caller may see, not looking further back than `deepest`.
WITH scanned AS NOT MATERIALIZED (
    SELECT intent.id, intent.status, intent.intent_type, intent.correlation_id
    FROM intents_intent AS intent
    WHERE intent.recipient_id = %(recipient_id)s AND {visible} AND intent.id < %(before)s
    ORDER BY intent.id DESC
    LIMIT %(deepest)s
),
{page}
