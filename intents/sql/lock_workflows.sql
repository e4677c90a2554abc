-- Workflows of these parent intents, locked: whatever moves one is alone with it until it has committed.
SELECT
    workflow.intent_id, workflow.steps::text AS steps, workflow.current_step, workflow.child_id,
    workflow.step_retries, workflow.results::text AS results,
    parent.organization_id, parent.workspace_id, parent.sender_id, parent.intent_type, parent.correlation_id,
    parent.from_agent, parent.scenario_id, parent.max_delivery_attempts, parent.payload::text AS payload,
    -- What is left of the step's time, for another try.
    extract(epoch FROM child.deadline_at - statement_timestamp())::float8 AS seconds_left
FROM intents_workflow AS workflow
JOIN intents_intent AS parent ON parent.id = workflow.intent_id
LEFT JOIN intents_intent AS child ON child.id = workflow.child_id
WHERE workflow.intent_id = ANY(%(ids)s::uuid[])
ORDER BY workflow.intent_id
FOR UPDATE OF workflow
