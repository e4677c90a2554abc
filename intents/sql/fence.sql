-- Included by others as {fence}: the writer's hold on this delivery has been superseded.
-- A writer that carries a token must carry the current one. One that cannot is known by its session, and is
-- refused only while somebody else holds the lease. Without either (an operator) nothing is superseded.
CASE
    WHEN asked.token IS NOT NULL THEN held.lease_token IS DISTINCT FROM asked.token
    WHEN asked.session IS NOT NULL THEN
        held.lease_session IS DISTINCT FROM asked.session AND held.lease_token IS NOT NULL
    ELSE false
END
