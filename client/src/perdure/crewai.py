"""Flows of CrewAI that go on where they were killed.

    @persist(PerdurePersistence())
    class Order(Flow[OrderState]): ...

    Order().kickoff(inputs={"id": "order-7"})

A flow that was killed, or that failed, and is kicked off again under the same id does not run those methods again that
are done: they give what they gave, and the state is as it was after the last of them. CrewAI itself restores the state,
and then runs all methods again.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote
from weakref import finalize, ref

from crewai.flow.async_feedback.types import PendingFeedbackContext
from crewai.flow.persistence import FlowPersistence
from crewai.hooks import InterceptionPoint, get_hooks, register_hook
from pydantic import BaseModel, Field, PrivateAttr, SecretStr
from pydantic_core import PydanticSerializationError, to_jsonable_python

from perdure import errors
from perdure.client import Client

#: What the methods of one kickoff have given is attached to the flow under this name.
ATTRIBUTE = "_perdure_record"


class PerdurePersistence(FlowPersistence):
    """Keeps flows in Perdure, for `@persist` on a class, or as `persistence=` of a flow.

    `base_url` and `api_key` come from `PERDURE_URL` and `PERDURE_API_KEY` where they are not given. With `once`, an id
    stands for one run: kicked off again when it has finished, a flow gives its outcome and runs nothing. Without, it
    starts over with the state that it had, as with CrewAI's own persistence.
    """

    persistence_type: str = Field(default="PerdurePersistence")
    base_url: str | None = None
    api_key: SecretStr | None = Field(default=None, exclude=True, repr=False)
    prefix: str = "crewai:"
    once: bool = False
    _client: Client = PrivateAttr()
    _records: list[ref[Record]] = PrivateAttr(default_factory=list)

    def model_post_init(self, context: Any, /) -> None:
        """Connect, and ask to be told when flows begin and end."""
        key = self.api_key.get_secret_value() if self.api_key else None
        self._client = Client(self.base_url, key)
        finalize(self, self._client.close)  # nobody closes what stands in a decorator
        for point, hook in (
            (InterceptionPoint.EXECUTION_START, _begin),
            (InterceptionPoint.EXECUTION_END, _end),
        ):
            if hook not in get_hooks(point):
                register_hook(point, hook)

    def init_db(self) -> None:
        """There is nothing to be made ready."""

    # -- what CrewAI calls ------------------------------------------------------------------------------------------

    def save_state(self, flow_uuid: str, method_name: str, state_data: dict[str, Any] | BaseModel) -> None:
        """Keep the state after a method, together with what the methods since the last time have given."""
        record = self._record_of(flow_uuid)
        if record is not None:
            record.save(method_name, state_data)
            return
        # Resumed with a human's answer: CrewAI tells nobody that it begins.
        found = self._read(flow_uuid, "state")
        run = found["run"] if found else 0
        self._write(flow_uuid, [self._state_of(run, False, method_name, state_data)])

    def load_state(self, flow_uuid: str) -> dict[str, Any] | None:
        """The state after the last method that is done. The flow of this id goes on from there."""
        found = self._read(flow_uuid, "state")
        if found is None:
            return None
        record = self._record_of(flow_uuid)
        if record is not None:
            record.go_on(found)
        state: dict[str, Any] = found["state"]
        return state

    def save_pending_feedback(
        self, flow_uuid: str, context: PendingFeedbackContext, state_data: dict[str, Any] | BaseModel
    ) -> None:
        """Keep what a flow waits for that has asked a human."""
        pending = {"context": _plain(context.to_dict()), "state": _plain(state_data)}
        self._write(flow_uuid, [{"key": "pending", "value": pending}])

    def load_pending_feedback(self, flow_uuid: str) -> tuple[dict[str, Any], PendingFeedbackContext] | None:
        """What such a flow waits for, and its state."""
        pending = self._read(flow_uuid, "pending")
        return pending and (pending["state"], PendingFeedbackContext.from_dict(pending["context"]))

    def clear_pending_feedback(self, flow_uuid: str) -> None:
        """The human has answered."""
        self._thread(flow_uuid).items.delete("pending")

    # -- what is kept: `state`, `pending`, and `done:<run>:<number>` for each method --------------------------------

    def _thread(self, flow_uuid: str) -> Any:
        return self._client.thread(self.prefix + quote(str(flow_uuid), safe=""))

    def _read(self, flow_uuid: str, key: str) -> Any:
        try:
            return self._thread(flow_uuid).items.get(key)
        except errors.NotFound:
            return None

    def _write(self, flow_uuid: str, changes: list[dict[str, Any]]) -> None:
        self._thread(flow_uuid).items.put_many(changes)

    def _finish(self, flow_uuid: str) -> None:
        found = self._read(flow_uuid, "state")
        if found and not found["finished"]:
            self._write(flow_uuid, [{"key": "state", "value": {**found, "finished": True}}])

    def _state_of(self, run: int, finished: bool, method: str, state: Any) -> dict[str, Any]:
        value = {"run": run, "finished": finished, "method": method, "state": _plain(state)}
        return {"key": "state", "value": value}

    def _record_of(self, flow_uuid: str) -> Record | None:
        """The record of the flow that runs here under this id."""
        alive = [(one, record) for one in self._records if (record := one()) is not None]
        self._records[:] = [one for one, _ in alive]
        return next((record for _, record in reversed(alive) if record.flow_id == flow_uuid), None)


class Record:
    """What the methods of a flow have given in one run, and what of that is stored."""

    def __init__(self, flow: Any, persistence: PerdurePersistence) -> None:
        self._flow = ref(flow)
        self._persistence = persistence
        self._lock = threading.Lock()
        self.run = 0
        self.inputs: dict[str, Any] | None = None
        #: by name of method: what it gave each time, and how many of these have been given again
        self._given: defaultdict[str, list[Any]] = defaultdict(list)
        self._replayed: defaultdict[str, int] = defaultdict(int)
        self._saved = 0
        self._unsaved: list[dict[str, Any]] = []
        self._repeats: defaultdict[str, int] = defaultdict(int)
        self._last: dict[str, Any] = {}

    @property
    def flow_id(self) -> str | None:
        """The id that the flow has now."""
        flow = self._flow()
        return None if flow is None else flow.flow_id

    def go_on(self, found: dict[str, Any]) -> None:
        """Give again what the run gave that was stored last; if it has finished, begin the next."""
        self.run = found["run"]
        if found["finished"] and not self._persistence.once:
            self.run += 1
            return
        # What the flow was begun with is in its state already, and may have changed there since.
        if self.inputs is not None:
            for name in [name for name in self.inputs if name != "id"]:
                del self.inputs[name]
        self._last = found
        thread = self._persistence._thread(self.flow_id or "")
        for item in thread.items.list(prefix=f"done:{self.run:06}:"):
            self._given[item["value"]["method"]].append(_revived(item["value"]))
            self._saved += 1

    def recall(self, method: str) -> list[Any]:
        """What the method gave the next time, in a list; an empty one if it has to run."""
        with self._lock:
            number = self._replayed[method]
            given = self._given[method][number : number + 1]
            if given:
                self._replayed[method] += 1
                self._repeats[method] += 1
            return given

    def note(self, method: str, result: Any) -> None:
        """The method has given this.

        Raises:
            errors.NotRecoverable: it is not of a kind that can be stored.
        """
        value = {"method": method, **_kept(method, result)}
        with self._lock:
            self._unsaved.append(value)

    def save(self, method: str, state: Any) -> None:
        """Store what is not stored yet, and the state, all or nothing.

        Raises:
            errors.VersionConflict: the same run goes on elsewhere. CrewAI makes a RuntimeError of it.
        """
        with self._lock:
            if self._repeats[method]:
                self._repeats[method] -= 1
                return
            done = [
                {"key": f"done:{self.run:06}:{number:06}", "value": value, "if_version": 0}
                for number, value in enumerate(self._unsaved, self._saved)
            ]
            item = self._persistence._state_of(self.run, False, method, state)
            self._persistence._write(self.flow_id or "", [*done, item])
            self._saved += len(done)
            self._unsaved.clear()
            self._last = item["value"]

    def finish(self) -> None:
        """The flow has come to its end."""
        with self._lock:
            if self._last and not self._last["finished"]:
                self._last = {**self._last, "finished": True}
                self._persistence._write(self.flow_id or "", [{"key": "state", "value": self._last}])


def _begin(context: Any) -> None:
    """A flow is about to run: see what its methods give."""
    flow = context.flow
    persistence = getattr(flow, "persistence", None)
    if not isinstance(persistence, PerdurePersistence):
        return
    if not hasattr(flow, ATTRIBUTE):
        methods = flow._methods
        methods.update({name: _recorded(flow, str(name), method) for name, method in methods.items()})
    record = Record(flow, persistence)
    object.__setattr__(flow, ATTRIBUTE, record)
    persistence._records.append(ref(record))
    if isinstance(context.payload, dict):
        record.inputs = context.payload = dict(context.payload)


def _end(context: Any) -> None:
    """A flow has run."""
    flow = context.flow
    if context.status != "completed":
        return
    if isinstance(record := getattr(flow, ATTRIBUTE, None), Record):
        record.finish()
    elif isinstance(persistence := getattr(flow, "persistence", None), PerdurePersistence):
        persistence._finish(flow.flow_id)


def _recorded(flow: Any, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, as one that does not run again when it is known what it gives."""
    flow_now = ref(flow)

    async def noted(result: Awaitable[Any]) -> Any:
        given = await result
        getattr(flow_now(), ATTRIBUTE).note(name, given)
        return given

    @functools.wraps(method, updated=())
    def run(*args: Any, **kwargs: Any) -> Any:
        record = getattr(flow_now(), ATTRIBUTE)
        if known := record.recall(name):
            return known[0]
        result = method(*args, **kwargs)
        if inspect.isawaitable(result):
            return noted(result)
        record.note(name, result)
        return result

    @functools.wraps(method, updated=())
    async def run_async(*args: Any, **kwargs: Any) -> Any:
        known = getattr(flow_now(), ATTRIBUTE).recall(name)
        return known[0] if known else await noted(method(*args, **kwargs))

    return run_async if inspect.iscoroutinefunction(method) else run


def _plain(value: Any) -> Any:
    return to_jsonable_python(value, by_alias=False)


def _kept(method: str, result: Any) -> dict[str, Any]:
    """What is stored of something that a method gave.

    Raises:
        errors.NotRecoverable: it is not of a kind that can be stored.
    """
    try:
        kept = {"result": _plain(result)}
    except PydanticSerializationError as error:
        raise errors.NotRecoverable(
            f"{method} gives a {type(result).__name__}, which cannot be kept: give JSON or a pydantic model"
        ) from error
    if isinstance(result, BaseModel):
        kept["model"] = f"{type(result).__module__}:{type(result).__qualname__}"
    return kept


def _revived(value: dict[str, Any]) -> Any:
    """What `_kept` stored. A model has to be known here already: nothing is imported because stored data says so."""
    module, _, name = value.get("model", "").partition(":")
    if not module:
        return value["result"]
    kind = functools.reduce(
        lambda place, part: getattr(place, part, None), name.split("."), sys.modules.get(module)
    )
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        raise errors.NotRecoverable(f"{value['method']} gave a {value['model']}, which is not there any more")
    return kind.model_validate(value["result"])
