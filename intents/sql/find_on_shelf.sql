-- The candidates along an index of the intents: a shelf is what its first columns say, and on it intents lie by their
-- ids. Said as ranges, not as equalities: so only that index gives the order, whatever the statistics say.
edge AS (
    SELECT intent.id
    FROM intents_intent AS intent
    WHERE ({shelf}, intent.id) > ({place}, %(low)s::uuid) AND ({shelf}, intent.id) < ({place}, %(high)s::uuid)
    ORDER BY {keys}
    OFFSET %(window)s - 1
    LIMIT 1
),
candidate AS NOT MATERIALIZED (
    SELECT intent.*
    FROM intents_intent AS intent
    WHERE ({shelf}, intent.id) > ({place}, %(low)s::uuid) AND ({shelf}, intent.id) < ({place}, %(high)s::uuid)
    ORDER BY {keys}
    LIMIT %(window)s
)
