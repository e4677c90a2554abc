-- Have something happen to intents later. There is one timer of a kind for an intent: the new one replaces the old.
INSERT INTO intents_timer (intent_id, kind, due_at, data)
SELECT intent_id, kind, statement_timestamp() + make_interval(secs => seconds), data::jsonb
FROM unnest(%(ids)s::uuid[], %(kinds)s::text[], %(seconds)s::double precision[], %(data)s::text[])
    AS timer (intent_id, kind, seconds, data)
ORDER BY intent_id, kind
ON CONFLICT (intent_id, kind) DO UPDATE SET due_at = excluded.due_at, data = excluded.data
