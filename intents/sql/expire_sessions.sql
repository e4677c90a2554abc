-- End the leases of connections whose process is gone.
UPDATE intents_delivery AS delivery
SET lease_expires_at = statement_timestamp(), is_detached = false
WHERE delivery.lease_session = ANY(%(sessions)s::uuid[])
    AND NOT delivery.is_detached
    AND delivery.lease_expires_at > statement_timestamp()
RETURNING delivery.agent_id
