-- Append entries to a thread that is locked, all or none. The values come in one piece.
WITH {thread},
asked AS (
    SELECT *
    FROM unnest(%(content_types)s::text[], %(starts)s::int[], %(sizes)s::int[])
        WITH ORDINALITY AS asked (content_type, start, size, place)
),
growth AS (
    SELECT count(*) AS entries, sum(size) AS bytes FROM asked
),
verdict AS (
    SELECT
        thread.id, thread.entry_count, growth.entries, growth.bytes,
        CASE
            WHEN thread.entry_count <> %(expected)s::int THEN 'conflict'
            WHEN thread.entry_count + growth.entries > %(most)s THEN 'entries'
            WHEN growth.bytes > 0 AND thread.bytes + growth.bytes > %(most_bytes)s THEN 'bytes'
            ELSE 'done'
        END AS outcome
    FROM growth
    CROSS JOIN thread
),
written AS (
    INSERT INTO intents_threadentry (thread_id, position, content_type, value, at)
    SELECT
        verdict.id, verdict.entry_count + asked.place, asked.content_type,
        substring(%(values)b::bytea FROM asked.start FOR asked.size), statement_timestamp()
    FROM verdict
    CROSS JOIN asked
    WHERE verdict.outcome = 'done'
    ORDER BY asked.place
),
counted AS (
    UPDATE intents_thread AS thread
    SET entry_count = thread.entry_count + verdict.entries, bytes = thread.bytes + verdict.bytes,
        updated_at = statement_timestamp()
    FROM verdict
    WHERE thread.id = verdict.id AND verdict.outcome = 'done'
)
SELECT outcome, entry_count AS length, entries FROM verdict
