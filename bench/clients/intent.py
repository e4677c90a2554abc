"""The intents that the bench submits: about 200 bytes of payload, each with a correlation id of its own."""

from __future__ import annotations

from uuid import uuid4


class Intents:
    """Makes them as JSON, quickly: what a client computes here is taken from the server's processors."""

    def __init__(self, to_agent: str, payload_bytes: int = 200) -> None:
        self._start = b'{"intent_type":"bench.work.v1","to_agent":"%b","correlation_id":"%b' % (
            to_agent.encode(),
            str(uuid4())[:-12].encode(),
        )
        self._filler = b"x" * max(0, payload_bytes - 45)
        self._count = 0

    def next(self, sent_ns: int = 0) -> bytes:
        """One more; `sent_ns` goes with it, for the handler to tell how long it took."""
        self._count += 1
        payload = b'{"n":%d,"sent_ns":%d,"data":"%b"}' % (self._count, sent_ns, self._filler)
        return b'%b%012x","payload":%b}' % (self._start, self._count, payload)
