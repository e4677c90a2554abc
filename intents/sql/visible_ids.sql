-- Those of these intents that the caller may see.
SELECT intent.id AS intent_id FROM intents_intent AS intent WHERE intent.id = ANY(%(ids)s::uuid[]) AND {visible}
