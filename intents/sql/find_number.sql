-- How many of the window's candidates are wanted.
WITH wanted AS (
    {wanted}
),
{candidates}
SELECT
    (SELECT id FROM edge) AS edge,
    (SELECT count(*) FROM candidate AS intent CROSS JOIN wanted WHERE {fits}) AS number
