-- Begin a write: lock the thread, which comes into being with its first. What the next statement of this transaction
-- sees, nobody else changes.
INSERT INTO intents_thread (organization_id, workspace_id, thread_id)
VALUES (%(organization_id)s, %(workspace_id)s, %(thread_id)s)
ON CONFLICT (workspace_id, thread_id) DO UPDATE SET updated_at = statement_timestamp()
RETURNING id
