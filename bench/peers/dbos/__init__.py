"""dbos beside Perdure: see `peer.py`."""
