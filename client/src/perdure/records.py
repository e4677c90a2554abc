"""What the server tells, as dictionaries with names: everything it says is there, and what matters has a property."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from perdure import errors

TERMINAL = frozenset({"COMPLETED", "FAILED", "CANCELED", "TIMED_OUT"})


class Record(dict[str, Any]):
    """A JSON object of the server. Fields without a property are read as those of any dictionary."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({super().__repr__()})"


class Intent(Record):
    """An intent as it was when it was read."""

    @property
    def id(self) -> str:
        """Its name everywhere, a UUID."""
        return str(self["intent_id"])

    @property
    def status(self) -> str:
        """`SUBMITTED`, `DELIVERED`, `IN_PROGRESS`, `WAITING`, or how it ended."""
        return str(self["status"])

    @property
    def is_ended(self) -> bool:
        """Whether it has its outcome, which never changes."""
        return self.status in TERMINAL

    @property
    def intent_type(self) -> str:
        """What is asked for, such as `intent.pipeline.process.v1`."""
        return str(self.get("intent_type", ""))

    @property
    def payload(self) -> dict[str, Any]:
        """What the agent is given; empty where a list has left it out."""
        payload = self.get("payload")
        return payload if isinstance(payload, dict) else {}

    @property
    def result(self) -> Any:
        """What the agent answered; None if there is nothing (yet)."""
        return self.get("result")

    @property
    def error(self) -> dict[str, Any] | None:
        """Why it failed: `code`, `message` and more."""
        return self.get("error")

    @property
    def attempt(self) -> int:
        """How many attempts there have been."""
        return int(self.get("delivery_attempt") or 0)

    def outcome(self) -> Any:
        """The result.

        Raises:
            errors.IntentFailed, errors.IntentCanceled, errors.IntentTimedOut: there is none, and never will be.
            ValueError: it has not ended yet.
        """
        match self.status:
            case "COMPLETED":
                return self.result
            case "FAILED":
                raise errors.IntentFailed(self)
            case "CANCELED":
                raise errors.IntentCanceled(self)
            case "TIMED_OUT":
                raise errors.IntentTimedOut(self)
        raise ValueError(f"intent {self.id} is {self.status}; it has no outcome yet")


class Event(Record):
    """A fact in the life of an intent."""

    @property
    def seq(self) -> int:
        """Its number, from 1 without gaps."""
        return int(self["seq"])

    @property
    def type(self) -> str:
        """Such as `intent.completed`."""
        return str(self["event_type"])

    @property
    def status(self) -> str:
        """The status that it led to."""
        return str(self["status"])

    @property
    def is_terminal(self) -> bool:
        """Whether nothing follows."""
        return self.type.removeprefix("intent.").upper() in TERMINAL

    @property
    def details(self) -> dict[str, Any]:
        """What else is known of it."""
        details = self.get("details")
        return details if isinstance(details, dict) else {}

    @property
    def at(self) -> datetime:
        """When, by the server's clock."""
        return datetime.fromisoformat(str(self["at"]))


class Stored(Record):
    """Bytes that the server keeps, with their content type: the value is there if the server sent it along."""

    @property
    def content_type(self) -> str:
        """What was said about the bytes when they were stored."""
        return str(self.get("content_type") or "application/octet-stream")

    @property
    def size(self) -> int:
        """How many bytes."""
        return int(self.get("size") or 0)

    @property
    def has_value(self) -> bool:
        """Whether the value came along; if not, it has to be fetched."""
        return "value" in self or "value_base64" in self

    @property
    def value(self) -> Any:
        """The value: as JSON if it is, else as bytes; None if it was not sent along."""
        return base64.b64decode(self["value_base64"]) if "value_base64" in self else self.get("value")


class Checkpoint(Stored):
    """A step of an intent that is done."""

    @property
    def step(self) -> str:
        """Its name."""
        return str(self["step"])

    @property
    def attempt(self) -> int:
        """The attempt that did it."""
        return int(self.get("attempt") or 0)


class Item(Stored):
    """A value kept under a key of a thread."""

    @property
    def key(self) -> str:
        """Under which it is kept."""
        return str(self["key"])

    @property
    def version(self) -> int:
        """Rises with every change; what a change can be conditional on."""
        return int(self["version"])


class Entry(Stored):
    """One entry of a thread's log."""

    @property
    def position(self) -> int:
        """Its place in the log, from 1."""
        return int(self["position"])


def batch_of(body: Mapping[str, Any]) -> list[Intent | errors.ApiError]:
    """What became of each of many intents."""
    return [one_of(each) for each in body["results"]]


def one_of(told: Mapping[str, Any]) -> Intent | errors.ApiError:
    """An intent that was accepted, or why not."""
    if told.get("ok"):
        return Intent(told)
    error = told.get("error") or {}
    return errors.of_code(error.get("code", ""), error.get("message", ""), details=error.get("details"))
