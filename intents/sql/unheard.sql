-- What a claim has leased whose answer was lost: leases of these connections that began within so many seconds, of which
-- nobody was told, and under which nothing has begun.
SELECT delivery.intent_id, agent.organization_id, delivery.agent_id, delivery.lease_token
FROM unnest(%(agents)s::bigint[], %(sessions)s::uuid[]) AS slot (agent_id, session)
JOIN intents_delivery AS delivery ON delivery.agent_id = slot.agent_id AND delivery.lease_session = slot.session
JOIN agents_agent AS agent ON agent.id = delivery.agent_id
WHERE delivery.claimable_at > statement_timestamp()
    AND delivery.started_at IS NULL
    AND delivery.lease_expires_at - make_interval(secs => delivery.lease_seconds)
        > statement_timestamp() - make_interval(secs => %(within)s)
    AND delivery.lease_token <> ALL(%(told)s::uuid[])
