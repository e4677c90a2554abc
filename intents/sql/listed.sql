-- Included by others as {listed}: the intents of the ids that are `listed`, read one by one and no further than needed.
edge AS (
    SELECT listed.id FROM listed ORDER BY listed.id {order} OFFSET %(window)s - 1 LIMIT 1
),
candidate AS NOT MATERIALIZED (
    SELECT intent.*
    FROM listed
    CROSS JOIN LATERAL (
        -- OFFSET 0: not to be turned into a join that reads them all first.
        SELECT * FROM intents_intent AS one WHERE one.id = listed.id OFFSET 0
    ) AS intent
    ORDER BY listed.id {order}
)
