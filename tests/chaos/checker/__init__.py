"""The checker: a program of its own that knows what clients were told and what is stored, and nothing of Perdure."""
