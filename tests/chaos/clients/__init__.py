"""The clients of a run, each a process that writes its own history."""
