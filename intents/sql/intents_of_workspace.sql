-- The newest intents of a workspace that fit, not looking further back than `deepest` of them.
WITH scanned AS NOT MATERIALIZED (
    SELECT intent.id, intent.status, intent.intent_type, intent.correlation_id
    FROM intents_intent AS intent
    WHERE intent.workspace_id = %(workspace_id)s
        AND intent.organization_id = %(organization_id)s
        AND intent.id < %(before)s
    ORDER BY intent.id DESC
    LIMIT %(deepest)s
),
{page}
