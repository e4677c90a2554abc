-- A page of a thread's items, in the order of their keys from low up to high; with as many of their values as there is
-- room for, and with one in any case. Read from the other end, every ASC says DESC.
WITH {thread},
scanned AS (
    SELECT item.*
    FROM thread
    CROSS JOIN LATERAL (
        SELECT *
        FROM intents_threaditem
        WHERE thread_id = thread.id AND key >= %(low)s AND key < %(high)s
        ORDER BY key ASC
        LIMIT %(limit)s
    ) AS item
),
measured AS (
    SELECT scanned.*, row_number() OVER earlier AS number, sum(size) OVER earlier AS reach
    FROM scanned
    WINDOW earlier AS (ORDER BY key ASC)
)
SELECT
    key, version, size, content_type, created_at, updated_at, number = 1 OR reach <= %(room)s AS fits,
    CASE WHEN %(has_values)s AND (number = 1 OR reach <= %(room)s) THEN value END AS value
FROM measured
ORDER BY key ASC
