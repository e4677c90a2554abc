-- Those of these items that there are, in the order asked, with as many of their values as there is room for.
WITH {thread},
asked AS (
    SELECT * FROM unnest(%(keys)s::text[]) WITH ORDINALITY AS asked (key, place)
),
measured AS (
    SELECT
        item.*, asked.place, row_number() OVER earlier AS number, sum(item.size) OVER earlier AS reach
    FROM thread
    CROSS JOIN asked
    CROSS JOIN LATERAL (
        -- The limit keeps the planner from reading the whole thread.
        SELECT * FROM intents_threaditem WHERE thread_id = thread.id AND key = asked.key LIMIT 1
    ) AS item
    WINDOW earlier AS (ORDER BY asked.place)
)
SELECT
    key, place, version, size, content_type, created_at, updated_at, number = 1 OR reach <= %(room)s AS fits,
    CASE WHEN number = 1 OR reach <= %(room)s THEN value END AS value
FROM measured
ORDER BY place
