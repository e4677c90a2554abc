-- Included by others as {unkilled}, for the rows of `locked`: those of their agents that may act.
-- Locked for as long as the change takes. A kill waits for whoever has the lock; whoever comes for it after that is
-- shown the agent as it is then, also if this statement began before.
SELECT agent.id
FROM agents_agent AS agent
WHERE agent.id IN (SELECT locked.recipient_id FROM locked) AND agent.killed_at IS NULL
FOR KEY SHARE
