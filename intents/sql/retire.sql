-- Let go of intents that ended long ago, with all that belongs to them; looks at the next few behind `after`, oldest first.
-- Ids begin with the time at which they were made, and nothing ends before it is made: so the key alone finds the old.
WITH period AS (
    SELECT statement_timestamp() - make_interval(days => %(days)s) AS began
),
looked_at AS (
    SELECT id
    FROM intents_intent
    WHERE id > %(after)s
        AND id < (
            SELECT rpad(lpad(to_hex((extract(epoch FROM began) * 1000)::bigint), 12, '0'), 32, '0')::uuid FROM period
        )
    ORDER BY id
    LIMIT %(limit)s
),
-- Who has an open or younger parent, child or retry is still part of its story. What is owed is never let go.
leaving AS (
    SELECT intent.id
    FROM intents_intent AS intent
    CROSS JOIN period
    WHERE intent.id = ANY (ARRAY(SELECT id FROM looked_at))
        AND intent.status IN ('COMPLETED', 'FAILED', 'CANCELED', 'TIMED_OUT')
        AND intent.updated_at < period.began
        AND NOT EXISTS (SELECT FROM intents_delivery AS delivery WHERE delivery.intent_id = intent.id)
        AND NOT EXISTS (
            SELECT
            FROM intents_intent AS relative
            WHERE (relative.parent_id = intent.id OR relative.retry_of_id = intent.id OR relative.id = intent.parent_id)
                AND NOT (
                    relative.status IN ('COMPLETED', 'FAILED', 'CANCELED', 'TIMED_OUT')
                    AND relative.updated_at < period.began
                )
        )
    ORDER BY intent.id
    FOR UPDATE OF intent SKIP LOCKED
),
events AS (
    DELETE FROM intents_event WHERE intent_id = ANY (ARRAY(SELECT id FROM leaving))
),
checkpoints AS (
    DELETE FROM intents_checkpoint WHERE intent_id = ANY (ARRAY(SELECT id FROM leaving))
),
standings AS (
    DELETE FROM intents_standing WHERE intent_id = ANY (ARRAY(SELECT id FROM leaving))
),
timers AS (
    DELETE FROM intents_timer WHERE intent_id = ANY (ARRAY(SELECT id FROM leaving))
),
workflows AS (
    DELETE FROM intents_workflow WHERE intent_id = ANY (ARRAY(SELECT id FROM leaving))
),
gone AS (
    DELETE FROM intents_intent WHERE id = ANY (ARRAY(SELECT id FROM leaving))
    RETURNING id
)
SELECT
    (SELECT count(*) FROM looked_at) AS seen,
    (SELECT id FROM looked_at ORDER BY id DESC LIMIT 1) AS reached,
    (SELECT count(*) FROM gone) AS gone
