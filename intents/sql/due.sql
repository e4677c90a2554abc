-- Included by others as {due}: the one condition under which a delivery can be claimed.
-- claimable_at is generated: the end of the lease if there is one, else due_at; so a lost lease is due again.
delivery.claimable_at <= statement_timestamp() AND delivery.attempt < delivery.max_attempts
