-- How far a scan of `intents_of_agent` came, if it did not come to the end.
SELECT intent.id
FROM intents_intent AS intent
WHERE intent.recipient_id = %(recipient_id)s AND {visible} AND intent.id < %(before)s
ORDER BY intent.id DESC
OFFSET %(deepest)s - 1
LIMIT 1
