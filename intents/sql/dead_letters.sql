-- What failed for good and has not been submitted again, by agent and error, the newest first.
-- Of `most` at most, the newest.
SELECT
    dead.recipient_id, agent.address, dead.code, count(*) AS number, min(dead.at) AS first_at, max(dead.at) AS last_at,
    (array_agg(dead.intent_id ORDER BY dead.intent_id DESC))[1:3] AS newest,
    (sum(count(*)) OVER ())::bigint >= %(most)s AS is_partial
FROM (
    SELECT recipient_id, code, at, intent_id
    FROM intents_standing
    WHERE workspace_id = %(workspace_id)s::uuid AND status = 'FAILED' AND NOT is_retried
    ORDER BY workspace_id DESC, status DESC, at DESC
    LIMIT %(most)s
) AS dead
JOIN agents_agent AS agent ON agent.id = dead.recipient_id
GROUP BY dead.recipient_id, agent.address, dead.code
ORDER BY last_at DESC, agent.address, dead.code
LIMIT %(groups)s
