"""Times from outside: what could be stored and not be read again, in another time zone, is refused."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime

EARLIEST_YEAR, LATEST_YEAR = 1970, 9000


def storable(moment: datetime) -> datetime:
    """The time, as it is.

    Raises:
        ValueError: it is so near to an end of the calendar that it has another year, or none, elsewhere.
    """
    if moment.year > LATEST_YEAR:
        raise ValueError("lies too far in the future")
    if moment.year < EARLIEST_YEAR:
        raise ValueError("lies too far in the past")
    return moment


#: A time with its offset from UTC, in a field of a body.
Moment = Annotated[AwareDatetime, AfterValidator(storable)]
