-- What was answered under these idempotency keys.
SELECT record.agent_id, record.path, record.key, record.request_hash, record.response::text, record.intent_id, record.created_at
FROM unnest(%(agents)s::bigint[], %(paths)s::text[], %(keys)s::text[]) AS asked (agent_id, path, key)
JOIN intents_idempotencyrecord AS record
    ON record.agent_id = asked.agent_id AND record.method = 'POST'
    AND record.path = asked.path AND record.key = asked.key
