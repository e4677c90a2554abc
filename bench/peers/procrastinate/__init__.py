"""procrastinate beside Perdure: see `peer.py`."""
