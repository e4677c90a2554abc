-- Forget what is owed of intents that have ended. For those that began to be owed while they were being ended.
DELETE FROM intents_delivery AS delivery WHERE delivery.intent_id = ANY(%(ids)s::uuid[])
