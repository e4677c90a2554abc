"""The checker: a program of its own that knows what clients were told and what is stored, and nothing of Perdure."""

from tests.chaos.checker import accepting, ending, holding, living, observing, running

#: Where the checks are; each registers itself by its name.
PARTS = (accepting, ending, holding, living, observing, running)
