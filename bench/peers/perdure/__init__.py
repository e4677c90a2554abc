"""Perdure beside others by its own client: see `peer.py`."""
