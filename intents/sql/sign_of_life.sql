-- Included by others as {sign_of_life}: the agent has started, and its lease is renewed. A lease of which little is
-- gone is left as it is: its end is in an index.
    UPDATE intents_delivery AS delivery
    SET started_at = COALESCE(delivery.started_at, statement_timestamp()),
        lease_expires_at = GREATEST(
            delivery.lease_expires_at, statement_timestamp() + make_interval(secs => delivery.lease_seconds)
        )
    FROM judged
    WHERE delivery.id = judged.delivery_id
        AND judged.outcome IN ('done', 'repeated')
        AND delivery.lease_token IS NOT NULL
        AND (
            delivery.started_at IS NULL
            OR delivery.lease_expires_at
                < statement_timestamp() + make_interval(secs => 0.9 * delivery.lease_seconds)
        )
