"""Organizations: the boundary that nothing crosses."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Now

from agents import ids

#: lower-case letters, digits and hyphens, alphanumeric at both ends, 3 to 63 characters
SLUG_PATTERN = r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$"

validate_slug = RegexValidator(
    # \Z: in Python, unlike in PostgreSQL, $ would let a trailing newline through
    SLUG_PATTERN.replace("$", r"\Z"),
    "3 to 63 lower-case letters, digits and hyphens, beginning and ending with a letter or digit",
)


class Organization(models.Model):
    """A tenant. Its slug is the first segment of every address in it."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    slug = models.CharField(max_length=63, unique=True, validators=[validate_slug])
    name = models.CharField(max_length=255)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("slug",)
        constraints = [
            models.CheckConstraint(
                condition=models.Q(slug__regex=SLUG_PATTERN), name="organization_slug_fits_an_address"
            ),
        ]

    def __str__(self) -> str:
        return self.slug
