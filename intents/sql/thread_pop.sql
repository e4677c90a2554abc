-- Take the last entries from a thread that is locked, as many of them as their values have room, and one in any case.
WITH {thread},
last AS (
    SELECT entry.*
    FROM thread
    CROSS JOIN LATERAL (
        SELECT *
        FROM intents_threadentry
        WHERE thread_id = thread.id
        ORDER BY position DESC
        LIMIT %(last)s
    ) AS entry
    WHERE %(expected)s::int IS NULL OR thread.entry_count = %(expected)s::int
),
measured AS (
    SELECT last.position, row_number() OVER later AS number, sum(size) OVER later AS reach
    FROM last
    WINDOW later AS (ORDER BY position DESC)
),
removed AS (
    DELETE FROM intents_threadentry AS entry
    USING thread
    WHERE entry.thread_id = thread.id
        AND entry.position = ANY(
            ARRAY(SELECT position FROM measured WHERE number = 1 OR reach <= %(room)s)
        )
    RETURNING entry.position, entry.at, entry.size, entry.content_type, entry.value
),
gone AS (
    SELECT count(*) AS entries, coalesce(sum(size), 0) AS bytes FROM removed
),
counted AS (
    UPDATE intents_thread AS counted
    SET entry_count = counted.entry_count - gone.entries, bytes = counted.bytes - gone.bytes,
        updated_at = statement_timestamp()
    FROM thread, gone
    WHERE counted.id = thread.id AND gone.entries > 0
)
SELECT
    thread.entry_count AS length, thread.entry_count <> %(expected)s::int AS is_conflict, removed.*
FROM thread
LEFT JOIN removed ON true
ORDER BY removed.position
