"""What the agents app announces, after the commit."""

from __future__ import annotations

from django.dispatch import Signal

#: These keys (key_ids: a list of their ids) no longer open anything: close what they hold open.
keys_revoked = Signal()

#: These agents (agent_ids: a list) were killed or resumed, and nothing that did not know of it is under way any more.
agents_switched = Signal()
