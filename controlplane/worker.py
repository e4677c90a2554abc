"""The Celery worker with its beat, in one process: `python -m controlplane.worker`.

Where one machine does not suffice, `celery -A controlplane worker` and `celery -A controlplane beat` do the same
apart, as many as wanted: two beats are harmless. Here beat is a thread, so that it cannot outlive its worker.
"""

import os
import warnings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings.development")

from celery import beat
from celery.platforms import SecurityWarning

from controlplane import celery_app, lifeline


def main() -> None:
    held = lifeline.hold()
    # Being root is dangerous for workers that unpickle what they are sent; ours take JSON only.
    warnings.simplefilter("ignore", SecurityWarning)
    celery_app.loader.import_default_modules()
    held.wait_at_gate()
    beat.EmbeddedService(celery_app, thread=True, scheduler_cls=celery_app.conf.beat_scheduler).start()
    celery_app.Worker(
        pool="threads",
        concurrency=2,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
    ).start()


if __name__ == "__main__":
    main()
