-- How far a scan of `intents_of_workspace` came, if it did not come to the end.
SELECT intent.id
FROM intents_intent AS intent
WHERE (intent.workspace_id, intent.id) < (%(workspace_id)s, %(before)s)
    AND intent.workspace_id >= %(workspace_id)s
    AND intent.organization_id = %(organization_id)s
ORDER BY intent.workspace_id DESC, intent.id DESC
OFFSET %(deepest)s - 1
LIMIT 1
