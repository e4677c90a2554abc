-- Included by others as {fits}: this intent is one that is `wanted`. What is NULL there is not asked for.
intent.workspace_id = wanted.workspace_id
    AND (wanted.statuses IS NULL OR intent.status = ANY(wanted.statuses))
    AND (wanted.recipient_id IS NULL OR intent.recipient_id = wanted.recipient_id)
    AND (wanted.intent_type IS NULL OR intent.intent_type = wanted.intent_type)
    AND (wanted.correlation_id IS NULL OR intent.correlation_id = wanted.correlation_id)
    AND (wanted.since IS NULL OR intent.created_at >= wanted.since)
    AND (wanted.until IS NULL OR intent.created_at < wanted.until)
    AND (wanted.named_id IS NULL OR intent.id = wanted.named_id OR intent.correlation_id = wanted.named_id)
    AND (
        (wanted.error IS NULL AND wanted.is_retried IS NULL)
        OR EXISTS (
            SELECT FROM intents_standing AS standing
            WHERE standing.intent_id = intent.id
                AND (wanted.error IS NULL OR standing.code = wanted.error)
                AND (wanted.is_retried IS NULL OR standing.is_retried = wanted.is_retried)
        )
    )
    AND (
        wanted.words IS NULL
        OR NOT EXISTS (
            SELECT FROM unnest(wanted.words) AS asked (word)
            WHERE strpos(
                lower(concat_ws(' ', intent.intent_type, intent.to_agent, intent.from_agent, intent.id)), asked.word
            ) = 0
        )
    )
    AND (
        wanted.paths IS NULL
        OR NOT EXISTS (
            -- The steps of a path are apart by a character that none of them can have.
            SELECT FROM unnest(wanted.paths, wanted.values) AS asked (path, value)
            WHERE intent.payload #>> string_to_array(asked.path, E'\x1f') IS DISTINCT FROM asked.value
        )
    )
