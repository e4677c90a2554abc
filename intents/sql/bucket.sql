-- Included by others as {bucket}: how long the intent took until this event, ten buckets to a decade of milliseconds.
LEAST(GREATEST(
    floor(10 * log(GREATEST(extract(epoch FROM event.at - intent.created_at) * 1000, 1)::numeric)), 0
), 120)::smallint
