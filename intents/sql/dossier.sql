-- One intent of a workspace with all that its page says of it, and why it is not running, if it has not ended.
SELECT
    {columns},
    CASE WHEN octet_length(intent.payload::text) <= %(largest)s THEN intent.payload::text END AS payload,
    octet_length(intent.payload::text) AS payload_size,
    ending.type AS ending_type, ending.seq AS ending_seq, ending.actor AS ended_by, ending.at AS ended_at,
    workflow.steps,
    saved.checkpoints, saved.last_step,
    waiting.at AS waiting_since,
    obstacle.*,
    statement_timestamp() AS read_at
FROM intents_intent AS intent
{context}
LEFT JOIN LATERAL (
    SELECT count(*) AS checkpoints, (array_agg(checkpoint.step ORDER BY checkpoint.position DESC))[1] AS last_step
    FROM intents_checkpoint AS checkpoint
    WHERE checkpoint.intent_id = intent.id
) AS saved ON true
LEFT JOIN LATERAL (
    SELECT event.at
    FROM intents_event AS event
    WHERE event.intent_id = intent.id AND event.type = 'intent.waiting'
    ORDER BY event.seq DESC
    LIMIT 1
) AS waiting ON intent.status = 'WAITING'
LEFT JOIN LATERAL (
{obstacles}
) AS obstacle ON intent.status NOT IN ('COMPLETED', 'FAILED', 'CANCELED', 'TIMED_OUT')
WHERE intent.id = ANY(%(ids)s::uuid[])
    AND intent.organization_id = %(organization_id)s
    AND intent.workspace_id = %(workspace_id)s
