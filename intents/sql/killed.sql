-- Included by others as {killed}: this is written as the intent's agent, which is killed. An operator carries none of
-- the three, and may.
(asked.agent_id IS NOT NULL OR asked.token IS NOT NULL OR asked.session IS NOT NULL)
    AND locked.recipient_id NOT IN (SELECT unkilled.id FROM unkilled)
