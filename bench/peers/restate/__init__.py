"""restate beside Perdure: see `peer.py`."""
