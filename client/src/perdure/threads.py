"""Threads: values under keys, and logs of entries, that outlive intents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from perdure import plans
from perdure.plans import Emit, Plan, Stream
from perdure.records import Entry, Item, Record
from perdure.runners import Bound, R_co, operation, streaming
from perdure.stored import PAGE, decoded, encoded, in_json

AllItems = list[Item]
AllEntries = list[Entry]


class _OfThread(Bound[R_co]):
    def __init__(self, runner: R_co, path: str) -> None:
        super().__init__(runner)
        self._path = path

    def _ask(self, method: str, path: str = "", **options: Any) -> Plan[dict[str, Any]]:
        return plans.json_of(plans.request(method, self._path + path, **options), self._policy)


class Items(_OfThread[R_co]):
    """Values under keys, each with a version."""

    @operation
    def get(self, key: str) -> Plan[Any]:
        """The value under a key: JSON as what it says, anything else as bytes.

        Raises:
            errors.NotFound: there is none.
        """
        asked = plans.request("GET", f"{self._path}/{plans.segment(key)}")
        return decoded((yield from plans.answered(asked, self._policy)))

    @operation
    def put(
        self, key: str, value: Any, *, content_type: str | None = None, if_version: int | None = None
    ) -> Plan[Item]:
        """Set the value under a key; with `if_version`, only if it has that version, where 0 means: does not exist.

        Raises:
            errors.VersionConflict: it has another.
        """
        content, kind = encoded(value, content_type)
        headers = {"content-type": kind} | _condition(if_version)
        path = f"/{plans.segment(key)}"
        conditional = if_version is not None
        body = yield from self._ask(
            "PUT", path, content=content, headers=headers, idempotency_key=conditional
        )
        return Item({"key": key} | (body.get("item") or body))

    @operation
    def put_many(self, items: Iterable[Mapping[str, Any]]) -> Plan[AllItems]:
        """Set several, all or none. Each is `{key, value, content_type?, if_version?}`, or `{key, delete: True}`."""
        batch = [
            dict(each)
            if each.get("delete")
            else {"key": each["key"], **in_json(each["value"], each.get("content_type"))}
            | ({"if_version": each["if_version"]} if each.get("if_version") is not None else {})
            for each in items
        ]
        conditional = any("if_version" in each for each in batch)
        body = yield from self._ask("POST", "/batch", json=batch, idempotency_key=conditional)
        return [Item(each) for each in body.get("items", [])]

    @operation
    def get_many(self, keys: Iterable[str]) -> Plan[AllItems]:
        """The items under these keys, with their values, in the order asked. What does not exist is not among them."""
        wanted, found = [*dict.fromkeys(keys)], AllItems()
        while wanted:
            asked, wanted = wanted[:500], wanted[500:]
            body = yield from self._ask("POST", "/get", json={"keys": asked}, idempotency_key=False)
            found += [Item(each) for each in body["items"]]
            wanted = [*body.get("missing", []), *wanted]
        return found

    @operation
    def delete(self, key: str, *, if_version: int | None = None) -> Plan[bool]:
        """Remove a key and its value; whether there was one.

        Raises:
            errors.VersionConflict: it has another version than `if_version`.
        """
        body = yield from self._ask("DELETE", f"/{plans.segment(key)}", headers=_condition(if_version))
        return bool(body.get("deleted"))

    @operation
    def delete_all(self, prefix: str) -> Plan[int]:
        """Remove all whose keys begin with `prefix`, which may be empty; how many there were."""
        body = yield from self._ask("DELETE", params={"prefix": prefix})
        return int(body.get("deleted", 0))

    @streaming(Item)
    def list(
        self,
        *,
        prefix: str = "",
        start: str | None = None,
        after: str | None = None,
        order: str = "asc",
        limit: int | None = None,
        values: bool = True,
    ) -> Stream:
        """The items whose keys begin with `prefix`, by key, `asc` or `desc`; at most `limit` of them.

        `start` is the first key to be considered, `after` the one before that.
        """
        left = limit if limit is not None else -1
        while left:
            size = min(left, PAGE) if left > 0 else PAGE
            params = {
                "prefix": prefix or None,
                "start": start,
                "after": after,
                "order": order,
                "limit": size,
                "values": values,
            }
            body = yield from self._ask("GET", params=params)
            for item in body["items"]:
                yield Emit(Item(item))
                left -= 1
            if not left or (after := body.get("next_after")) is None:
                return


def _condition(version: int | None) -> dict[str, str]:
    if version is None:
        return {}
    return {"if-match": f'"{version}"'} if version else {"if-none-match": "*"}


class Entries(_OfThread[R_co]):
    """A log: entries in the order they were appended."""

    @operation
    def append(self, *values: Any, expected_length: int | None = None) -> Plan[Record]:
        """Append values, all or none; with `expected_length`, only if the log is that long: `length`, `first`, `last`.

        Raises:
            errors.VersionConflict: it is not.
        """
        body: dict[str, Any] = {"entries": [in_json(value) for value in values]}
        if expected_length is not None:
            body["expected_length"] = expected_length
        return Record((yield from self._ask("POST", json=body)))

    @streaming(Entry)
    def list(self, *, after: int | None = None, order: str = "asc", limit: int | None = None) -> Stream:
        """The entries after number `after`, oldest first, or newest first with `desc`; at most `limit` of them."""
        left = limit if limit is not None else -1
        while left:
            size = min(left, PAGE) if left > 0 else PAGE
            body = yield from self._ask("GET", params={"after": after, "order": order, "limit": size})
            for entry in body["entries"]:
                yield Emit(Entry(entry))
                left -= 1
            if not left or (after := body.get("next_after")) is None:
                return

    @operation
    def pop(self, count: int = 1) -> Plan[AllEntries]:
        """Remove the newest entries, and return them, the oldest of them first. Large ones may come fewer at a time."""
        body = yield from self._ask("DELETE", params={"last": count}, idempotency_key=True)
        return [Entry(each) for each in body["entries"]]

    @operation
    def clear(self) -> Plan[int]:
        """Remove all entries; how many there were."""
        body = yield from self._ask("DELETE", idempotency_key=True)
        return int(body.get("removed", 0))


class Thread(_OfThread[R_co]):
    """What is kept under one name: `items` by key, and `entries` in order."""

    def __init__(self, runner: R_co, thread_id: str) -> None:
        super().__init__(runner, f"/v1/threads/{plans.segment(thread_id)}")
        self.id = thread_id
        self.items: Items[R_co] = Items(runner, f"{self._path}/items")
        self.entries: Entries[R_co] = Entries(runner, f"{self._path}/entries")

    @operation
    def get(self) -> Plan[Record]:
        """How many items and entries there are, how large, and since when.

        Raises:
            errors.NotFound: there is no such thread.
        """
        return Record((yield from self._ask("GET"))["thread"])

    @operation
    def delete(self) -> Plan[bool]:
        """Remove the thread with all that is in it; whether there was one."""
        return bool((yield from self._ask("DELETE")).get("deleted"))

    @operation
    def copy(self, to: str) -> Plan[Record]:
        """A new thread of that name, with the same items and entries.

        Raises:
            errors.AlreadyExists: there is one.
            errors.NotFound: there is nothing to copy.
        """
        return Record((yield from self._ask("POST", "/copy", json={"to": to}))["thread"])

    @operation
    def prune(self, prefix: str = "", keep: int = 1) -> Plan[int]:
        """Of the items whose keys begin with `prefix`, keep the last by key; how many of the others were removed."""
        body = yield from self._ask(
            "POST", "/prune", json={"prefix": prefix, "keep": keep}, idempotency_key=False
        )
        return int(body["deleted"])
