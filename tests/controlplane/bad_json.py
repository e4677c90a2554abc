"""Bodies that are no JSON object, and the routes that take none but such."""

from __future__ import annotations

DEEP = "[" * 65 + "]" * 65
OVER_128_KIB = "x" * (128 * 1024)

ROUTES_WITH_BODY = (
    ("POST", "/v1/intents"),
    ("POST", "/v1/intents/batch"),
    ("POST", "/v1/intents/{intent}/resolve"),
    ("POST", "/v1/intents/{intent}/usage"),
    ("POST", "/v1/intents/{intent}/controls"),
    ("POST", "/v1/intents/{intent}/policy"),
    ("POST", "/v1/intents/bulk-cancel"),
    ("POST", "/v1/scenarios/apply"),
    ("POST", "/v1/scenarios/validate"),
    ("POST", "/v1/service-accounts"),
    ("PATCH", "/v1/service-accounts/{account}"),
    ("POST", "/v1/service-accounts/{account}/keys"),
)
NOT_JSON_OBJECTS = {
    "open brace": b"{",
    "two documents": b"{} {}",
    "trailing comma": b'{"a": 1,}',
    "single quotes": b"{'a': 1}",
    "unquoted name": b"{a: 1}",
    "a comment": b"{} // why not",
    "NaN": b'{"payload": NaN}',
    "Infinity": b'{"payload": Infinity}',
    "minus Infinity": b'{"payload": -Infinity}',
    "a lone surrogate": b'{"payload": {"a": "\\ud800"}}',
    "half an escape": b'{"payload": {"a": "\\u00"}}',
    "U+0000 in a value": b'{"payload": {"a": "\\u0000"}}',
    "U+0000 in a name": b'{"\\u0000": 1}',
    "a control character": b'{"a": "\x01"}',
    "not UTF-8": b'{"a": "\xff\xfe"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{",
    "too deep a list": f'{{"payload": {DEEP}}}'.encode(),
    "too deep an object": ('{"a":' * 65 + "1" + "}" * 65).encode(),
    "as deep as stacks go": b"[" * 60_000,
    "a number like no other": b'{"a": 1e999999999}',
    "an octal number": b'{"a": 007}',
    "a form": b"intent_type=test&to_agent=x",
    "XML": b'<?xml version="1.0"?><intent/>',
    "zeros": b"\x00" * 100,
    "too large": b'{"payload": {"a": "' + OVER_128_KIB.encode() + b'"}}',
}
#: These are JSON. As the result of an agent they are fine, as a request they are not.
OTHER_JSON = {"null": b"null", "a list": b"[]", "a string": b'"x"', "a number": b"3", "a truth": b"true"}
