-- The same, all of the window: for what is done to each of many.
WITH wanted AS (
    {wanted}
),
{candidates}
SELECT
    (SELECT id FROM edge) AS edge,
    ARRAY(SELECT intent.id FROM candidate AS intent CROSS JOIN wanted WHERE {fits}) AS ids
