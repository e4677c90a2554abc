-- End the leases of connections whose process is gone.
WITH orphaned AS (
    SELECT delivery.id
    FROM intents_delivery AS delivery
    WHERE delivery.lease_session = ANY(%(sessions)s::uuid[])
        AND NOT delivery.is_detached
        AND delivery.lease_expires_at > statement_timestamp()
    ORDER BY delivery.id
    FOR UPDATE
)
UPDATE intents_delivery AS delivery
SET lease_expires_at = statement_timestamp()
FROM orphaned
WHERE delivery.id = orphaned.id
RETURNING delivery.agent_id
