-- Delete the items from low up to high of a thread that is locked, but for the last so many.
WITH {thread},
kept AS (
    SELECT item.key
    FROM thread
    CROSS JOIN LATERAL (
        SELECT key
        FROM intents_threaditem
        WHERE thread_id = thread.id AND key >= %(low)s AND key < %(high)s
        ORDER BY key DESC
        LIMIT %(keep)s
    ) AS item
),
removed AS (
    DELETE FROM intents_threaditem AS item
    USING thread
    WHERE item.thread_id = thread.id
        AND item.key >= %(low)s
        AND item.key < coalesce((SELECT min(key) FROM kept), %(high)s)
    RETURNING item.size
),
counted AS (
    UPDATE intents_thread AS counted
    SET item_count = counted.item_count - gone.items, bytes = counted.bytes - gone.bytes,
        updated_at = statement_timestamp()
    FROM thread, (SELECT count(*) AS items, coalesce(sum(size), 0) AS bytes FROM removed) AS gone
    WHERE counted.id = thread.id AND gone.items > 0
)
SELECT count(*) AS deleted FROM removed
