-- With whom these parent intents are, those of them whose workflow goes on.
SELECT workflow.intent_id, workflow.pending_with::text AS pending_with
FROM intents_workflow AS workflow
WHERE workflow.intent_id = ANY(%(ids)s::uuid[]) AND workflow.pending_with IS NOT NULL
