"""celery beside Perdure: see `peer.py`."""
