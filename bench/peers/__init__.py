"""What users would pick instead, doing the same work on the same machine, each in an environment of its own."""
