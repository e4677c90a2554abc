"""langgraph beside Perdure: see `peer.py`."""
