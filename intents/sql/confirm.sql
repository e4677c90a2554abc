-- This process acts on these kills and resumptions from now on.
INSERT INTO agents_confirmation (event_id, process, confirmed_at)
SELECT event.id, %(process)s, clock_timestamp()
FROM unnest(%(events)s::bigint[]) AS event (id)
ON CONFLICT DO NOTHING
RETURNING event_id
