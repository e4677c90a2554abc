"""What models cannot say: the delivery cursor, and storage that fits tables which turn over many times a minute."""

from django.db import migrations

FORWARDS = """
-- In steps of two: some clients ask again from the last number plus one, and would miss a neighbour.
CREATE SEQUENCE intents_delivery_cursor AS bigint INCREMENT BY 2 START WITH 2;

-- Room on each page for the next version of its rows, so that a move of the status touches no index.
ALTER TABLE intents_intent SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE intents_delivery SET (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0.0,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.0,
    autovacuum_analyze_threshold = 20000
);
ALTER TABLE intents_timer SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000);
-- Append-only: what is frozen early need not be read again when the transaction ids wrap.
ALTER TABLE intents_event SET (autovacuum_vacuum_insert_scale_factor = 0.2);

INSERT INTO intents_sweeprun (id, ran_at) VALUES (1, 'epoch') ON CONFLICT DO NOTHING;
"""

BACKWARDS = """
DELETE FROM intents_sweeprun;
DROP SEQUENCE intents_delivery_cursor;
"""


class Migration(migrations.Migration):
    dependencies = [("intents", "0001_initial")]

    operations = [migrations.RunSQL(FORWARDS, BACKWARDS)]
