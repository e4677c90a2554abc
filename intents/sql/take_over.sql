-- A client of this address starts behind these deliveries, so the process that had them is gone: free them now.
-- Only leases that outlive their connection; one that is bound to a connection ends with it.
UPDATE intents_delivery AS delivery
SET lease_expires_at = statement_timestamp(), is_detached = false
WHERE delivery.agent_id = %(agent_id)s
    AND delivery.is_detached
    AND delivery.lease_expires_at > statement_timestamp()
    AND delivery.cursor > %(since)s
    AND delivery.lease_session IS DISTINCT FROM %(session)s
RETURNING delivery.intent_id
