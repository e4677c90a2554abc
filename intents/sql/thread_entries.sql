-- A page of a thread's entries from low up to high, with as many of their values as there is room for, and one in any
-- case; if there are none, a row that tells the length all the same. Read from the other end, every ASC says DESC.
WITH {thread},
scanned AS (
    SELECT entry.*
    FROM thread
    CROSS JOIN LATERAL (
        SELECT *
        FROM intents_threadentry
        WHERE thread_id = thread.id AND position >= %(low)s AND position < %(high)s
        ORDER BY position ASC
        LIMIT %(limit)s
    ) AS entry
),
measured AS (
    SELECT scanned.*, row_number() OVER earlier AS number, sum(size) OVER earlier AS reach
    FROM scanned
    WINDOW earlier AS (ORDER BY position ASC)
)
SELECT
    thread.entry_count AS length, measured.position, measured.at, measured.size, measured.content_type,
    number = 1 OR reach <= %(room)s AS fits,
    CASE WHEN number = 1 OR reach <= %(room)s THEN measured.value END AS value
FROM thread
LEFT JOIN measured ON true
ORDER BY measured.position ASC
