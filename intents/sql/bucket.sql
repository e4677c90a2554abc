-- Included by others as {bucket}: how long the intent took until this event, ten buckets to a decade of milliseconds.
LEAST(GREATEST(floor(10 * log(GREATEST(date_part('epoch', event.at - intent.created_at) * 1000, 1))), 0), 120)::smallint
