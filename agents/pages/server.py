"""Where this server is found, as the reader of a page has found it: for commands that are copied from it."""

from django.http import HttpRequest
from django.urls import get_script_prefix


def server_address(request: HttpRequest) -> str:
    """What clients are given as base URL, without a slash at its end."""
    return request.build_absolute_uri(get_script_prefix()).rstrip("/")
