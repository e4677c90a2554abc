-- The sweep's one question, asked each second: is anything to be done? It stamps the run as well.
-- `rung`: agents for which something became due since the last run; `called`: those of all that are due which are
-- reached by callback. Hops from agent to agent along the claim's index, so that its cost grows with the agents that
-- are owed something, not with what they are owed.
WITH RECURSIVE hop AS (
    (SELECT agent_id FROM intents_delivery ORDER BY agent_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT delivery.agent_id FROM intents_delivery AS delivery
        WHERE delivery.agent_id > hop.agent_id ORDER BY delivery.agent_id LIMIT 1
    )
    FROM hop
    WHERE hop.agent_id IS NOT NULL
),
previous AS (
    -- As it stood before this statement; two sweeps in one second overlap rather than leave a gap.
    SELECT
        LEAST(max(ran_at), statement_timestamp() - interval '2 seconds') AS ran_at,
        max(awake_since) FILTER (
            WHERE ran_at > statement_timestamp() - make_interval(secs => %(pause)s)
        ) AS awake_since
    FROM intents_sweeprun
),
due AS (
    SELECT
        hop.agent_id,
        EXISTS (
            SELECT FROM intents_delivery AS delivery
            WHERE delivery.agent_id = hop.agent_id AND {due} AND delivery.claimable_at > previous.ran_at
        ) AS is_fresh
    FROM hop
    CROSS JOIN previous
    WHERE EXISTS (
        SELECT FROM intents_delivery AS delivery WHERE delivery.agent_id = hop.agent_id AND {due}
    )
),
stamped AS (
    INSERT INTO intents_sweeprun (id, ran_at, awake_since)
    SELECT 1, statement_timestamp(), COALESCE(previous.awake_since, statement_timestamp()) FROM previous
    ON CONFLICT (id) DO UPDATE SET ran_at = excluded.ran_at, awake_since = excluded.awake_since
)
SELECT
    EXISTS (
        SELECT FROM intents_delivery AS delivery
        WHERE delivery.claimable_at <= statement_timestamp() AND delivery.attempt >= delivery.max_attempts
            AND NOT EXISTS (
                SELECT FROM agents_agent AS agent WHERE agent.id = delivery.agent_id AND agent.killed_at IS NOT NULL
            )
    ) AS has_spent,
    EXISTS (SELECT FROM intents_timer AS timer WHERE timer.due_at <= statement_timestamp()) AS has_due_timers,
    -- A database that has just come back has not heard of anybody for a while; nor has anybody been heard of while
    -- everything stood still, as it does when a machine is paused, and this sweep stood still with it.
    pg_postmaster_start_time() < statement_timestamp() - make_interval(secs => %(database_up)s)
        AND COALESCE(
            (SELECT awake_since FROM previous) < statement_timestamp() - make_interval(secs => %(unseen)s), false
        )
        AND EXISTS (
            SELECT FROM agents_webprocess AS process
            WHERE process.seen_at < statement_timestamp() - make_interval(secs => %(unseen)s)
        ) AS has_dead_processes,
    ARRAY(SELECT agent_id FROM due WHERE is_fresh) AS rung,
    ARRAY(
        SELECT agent.id
        FROM due
        JOIN agents_agent AS agent ON agent.id = due.agent_id
        WHERE agent.delivery_mode = 'http' AND agent.status = 'active' AND agent.killed_at IS NULL
    ) AS called
