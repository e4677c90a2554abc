"""What is kept: intents with their history, what is still owed, and the timers and records around them."""

from intents.models.bulk_action import BulkAction, BulkFailure, BulkKind, BulkState
from intents.models.checkpoint import Checkpoint
from intents.models.delivery import Delivery
from intents.models.event import Event
from intents.models.idempotency import IdempotencyRecord
from intents.models.intent import Intent
from intents.models.saved_view import SavedView
from intents.models.standing import Standing
from intents.models.sweep_run import SweepRun
from intents.models.tally import Tally, TallyMark
from intents.models.thread import Thread, ThreadEntry, ThreadItem
from intents.models.timer import Timer
from intents.models.workflow import Workflow

__all__ = [
    "BulkAction",
    "BulkFailure",
    "BulkKind",
    "BulkState",
    "Checkpoint",
    "Delivery",
    "Event",
    "IdempotencyRecord",
    "Intent",
    "SavedView",
    "Standing",
    "SweepRun",
    "Tally",
    "TallyMark",
    "Thread",
    "ThreadEntry",
    "ThreadItem",
    "Timer",
    "Workflow",
]
