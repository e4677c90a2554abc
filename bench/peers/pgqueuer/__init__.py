"""pgqueuer beside Perdure: see `peer.py`."""
