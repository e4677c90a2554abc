"""What the models of opaque values share."""

from __future__ import annotations

from django.db import models
from django.db.models import Func
from django.db.models.functions import Length


class OctetLength(Func):
    """How many bytes a value has; PostgreSQL reads that off a stored value without fetching it."""

    function = "octet_length"
    output_field = models.IntegerField()


models.TextField.register_lookup(Length)
