-- Under which leases these deliveries are held now. What is owed no more is left out: its ending is told otherwise.
SELECT delivery.intent_id, delivery.lease_token
FROM intents_delivery AS delivery
WHERE delivery.intent_id = ANY(%(ids)s::uuid[])
