-- Included by others as {columns}: an intent as its readers see it, and how it ended if it has.
intent.id AS intent_id, intent.organization_id, intent.workspace_id, intent.recipient_id, intent.sender_id,
    intent.intent_type, intent.correlation_id, intent.to_agent, intent.from_agent, intent.reply_to,
    intent.attributes, intent.parent_id, intent.scenario_id, intent.step_id, intent.retry_of_id,
    intent.deadline_at, intent.max_delivery_attempts, intent.created_at, intent.updated_at, intent.status,
    intent.waiting_reason, intent.seq, intent.attempt, intent.policy_generation, intent.controls,
    intent.checkpoint_count,
    workflow.pending_with, workflow.current_step, workflow.child_id,
    (ending.details -> 'result')::text AS result, (ending.details -> 'error')::text AS error,
    ending.details ->> 'reason' AS reason
