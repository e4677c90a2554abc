-- Included by others as {context}: the tables around an intent that {columns} needs.
LEFT JOIN intents_event AS ending
    ON ending.intent_id = intent.id
    AND ending.type IN ('intent.completed', 'intent.failed', 'intent.canceled', 'intent.timed_out')
LEFT JOIN intents_workflow AS workflow ON workflow.intent_id = intent.id
