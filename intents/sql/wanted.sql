-- Included by others as {wanted}: what is looked for, in one row.
SELECT
    %(workspace_id)s::uuid AS workspace_id, %(statuses)s::text[] AS statuses, %(recipient_id)s::bigint AS recipient_id,
    %(intent_type)s::text AS intent_type, %(correlation_id)s::uuid AS correlation_id,
    %(since)s::timestamptz AS since, %(until)s::timestamptz AS until, %(named_id)s::uuid AS named_id,
    %(error)s::text AS error, %(is_retried)s::boolean AS is_retried, %(words)s::text[] AS words, %(paths)s::text[] AS paths, %(values)s::text[] AS values
