"""What the work on an intent has cost, as its agent says it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: No honest report says more; what does would spoil every sum that it is part of.
MOST_USD = 1_000_000
MOST_TOKENS = 1_000_000_000_000
LONGEST_MODEL = 200


class Usage(BaseModel):
    """A report: at least one of these."""

    model_config = ConfigDict(extra="ignore")

    cost_usd: Annotated[float, Field(ge=0, le=MOST_USD, strict=True)] | None = None
    tokens: Annotated[int, Field(ge=0, le=MOST_TOKENS, strict=True)] | None = None
    model: Annotated[str, Field(min_length=1, max_length=LONGEST_MODEL)] | None = None

    @model_validator(mode="after")
    def _something(self) -> Usage:
        if not self.given():
            raise ValueError("cost_usd, tokens or model is needed")
        return self

    def given(self) -> dict[str, Any]:
        """The fields that are there."""
        named = {"cost_usd": self.cost_usd, "tokens": self.tokens, "model": self.model}
        return {name: value for name, value in named.items() if value is not None}
