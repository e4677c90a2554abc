-- Write down where workflows stand by now; the caller holds their locks.
UPDATE intents_workflow AS workflow
SET current_step = saved.current_step,
    child_id = saved.child_id,
    step_retries = saved.step_retries,
    results = saved.results::jsonb,
    pending_with = saved.pending_with::jsonb
FROM unnest(
    %(ids)s::uuid[], %(current_steps)s::text[], %(children)s::uuid[], %(retries)s::int[], %(results)s::text[],
    %(pending_with)s::text[]
) AS saved (intent_id, current_step, child_id, step_retries, results, pending_with)
WHERE workflow.intent_id = saved.intent_id
