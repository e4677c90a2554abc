-- A client of this address starts behind these deliveries, so the process that had them is gone: free them now.
-- Only leases that outlive their connection; one that is bound to a connection ends with it.
WITH left_behind AS (
    SELECT delivery.id
    FROM intents_delivery AS delivery
    WHERE delivery.agent_id = %(agent_id)s
        -- The index has no lease_expires_at. This says the same of what is leased, and passes over the backlog.
        AND delivery.claimable_at > statement_timestamp()
        AND delivery.is_detached
        AND delivery.lease_expires_at > statement_timestamp()
        AND delivery.cursor > %(since)s
        AND delivery.lease_session IS DISTINCT FROM %(session)s
    ORDER BY delivery.id
    FOR UPDATE
)
UPDATE intents_delivery AS delivery
SET lease_expires_at = statement_timestamp(), is_detached = false
FROM left_behind
WHERE delivery.id = left_behind.id
RETURNING delivery.intent_id
