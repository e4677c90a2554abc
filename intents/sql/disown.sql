-- Forget what is owed of intents that have ended or wait: what began to be owed while that was being recorded.
DELETE FROM intents_delivery AS delivery WHERE delivery.intent_id = ANY(%(ids)s::uuid[])
