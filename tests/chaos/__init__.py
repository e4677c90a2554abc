"""Chaos: a load, a nemesis, and a checker that believes neither. `make chaos` runs it; docs/chaos.md tells of it."""
