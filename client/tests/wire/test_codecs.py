"""Codecs: what comes back is what was put in, or the error says of which step and how to help it."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

import pytest

from perdure import NotRecoverable, codecs


@dataclass
class Point:
    x: int


class Order:
    """As pydantic has it, without pydantic."""

    def __init__(self, number: int) -> None:
        self.number = number

    def model_dump_json(self) -> str:
        return f'{{"number": {self.number}}}'

    @classmethod
    def model_validate_json(cls, content: bytes) -> Order:
        import json

        return cls(int(json.loads(content)["number"]))


@pytest.mark.parametrize(
    ("codec", "value", "back"),
    [
        (codecs.JSON, {"a": [1, 2.5, None, True, "é\u2028"]}, {"a": [1, 2.5, None, True, "é\u2028"]}),
        (codecs.JSON, (1, 2), [1, 2]),
        (codecs.JSON, {1: "a"}, {"1": "a"}),
        (codecs.JSON, None, None),
        (codecs.BYTES, b"\x00\xff", b"\x00\xff"),
        (codecs.BYTES, bytearray(b"ab"), b"ab"),
        (codecs.BYTES, memoryview(b"ab"), b"ab"),
        (codecs.PICKLE, Point(3), Point(3)),
    ],
)
def test_what_comes_back_is_what_was_put_in_as_far_as_the_codec_can_say_it(
    codec: Any, value: Any, back: Any
) -> None:
    content = codecs.encode(codec, "step", value)

    assert isinstance(content, bytes)
    assert codecs.decode(codec, "step", content, codec.content_type) == back


def test_a_model_is_validated_when_it_is_read() -> None:
    codec = codecs.model(Order)

    assert codecs.decode(codec, "s", codecs.encode(codec, "s", Order(7)), "application/json").number == 7
    with pytest.raises(NotRecoverable, match="cannot be read"):
        codecs.decode(codec, "s", b'{"no": 1}', "application/json")


def test_msgpack_is_an_extra_and_says_so_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "msgpack", None)

    with pytest.raises(NotRecoverable, match="msgpack"):
        codecs.encode(codecs.MSGPACK, "photo", {"a": b"\x00"})


@pytest.mark.parametrize(
    ("codec", "value"),
    [
        (codecs.JSON, object()),
        (codecs.JSON, {1, 2}),
        (codecs.JSON, b"bytes"),
        (codecs.JSON, float("nan")),
        (codecs.BYTES, "text"),
        (codecs.PICKLE, lambda: 0),
        (codecs.model(Order), {"number": 1}),
    ],
)
def test_what_a_codec_cannot_say_is_refused_with_the_step_and_what_to_do(codec: Any, value: Any) -> None:
    with pytest.raises(NotRecoverable, match=r"step 'extract'.*give the step a codec"):
        codecs.encode(codec, "extract", value)


@pytest.mark.parametrize(
    ("codec", "content", "kind"),
    [
        (codecs.JSON, b"{", "application/json"),
        (codecs.JSON, b"\xff", "application/json"),
        (codecs.PICKLE, b"not a pickle", "application/x-python-pickle"),
    ],
)
def test_what_cannot_be_read_says_of_which_step(codec: Any, content: bytes, kind: str) -> None:
    with pytest.raises(NotRecoverable, match="step 'extract': what is saved cannot be read"):
        codecs.decode(codec, "extract", content, kind)


@pytest.mark.parametrize("codec", [codecs.JSON, codecs.BYTES])
def test_no_codec_but_pickle_reads_a_pickle(codec: Any) -> None:
    hostile = pickle.dumps(Point(1))

    with pytest.raises(NotRecoverable, match="was saved as application/x-python-pickle"):
        codecs.decode(codec, "extract", hostile, codecs.PICKLE.content_type)


def test_parameters_of_the_content_type_make_no_difference() -> None:
    assert codecs.decode(codecs.JSON, "s", b"1", "Application/JSON; charset=utf-8") == 1
