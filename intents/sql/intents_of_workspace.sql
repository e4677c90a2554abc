-- The newest intents of a workspace that fit, not looking further back than `deepest` of them.
-- Said as a range, not as an equality: so only the index on (workspace, id) gives the order, whatever the statistics say.
WITH scanned AS NOT MATERIALIZED (
    SELECT intent.workspace_id AS shelf, intent.id, intent.status, intent.intent_type, intent.correlation_id
    FROM intents_intent AS intent
    WHERE (intent.workspace_id, intent.id) < (%(workspace_id)s, %(before)s)
        AND intent.workspace_id >= %(workspace_id)s
        AND intent.organization_id = %(organization_id)s
    ORDER BY intent.workspace_id DESC, intent.id DESC
    LIMIT %(deepest)s
),
{page}
