-- Begin the workflow of a parent intent, at its first step.
INSERT INTO intents_workflow (
    intent_id, compile_id, steps, current_step, child_id, step_retries, results, pending_with
)
VALUES (
    %(id)s, %(compile_id)s, %(steps)s::jsonb, %(current_step)s, %(child_id)s, 0, %(results)s::jsonb,
    %(pending_with)s::jsonb
)
