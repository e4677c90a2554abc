-- How far a scan of `intents_of_agent` came, if it did not come to the end.
SELECT intent.id
FROM intents_intent AS intent
WHERE (intent.recipient_id, intent.id) < (%(recipient_id)s, %(before)s)
    AND intent.recipient_id >= %(recipient_id)s AND {visible}
ORDER BY intent.recipient_id DESC, intent.id DESC
OFFSET %(deepest)s - 1
LIMIT 1
