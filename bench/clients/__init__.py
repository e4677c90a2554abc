"""The load: each module is a process of its own, started by `bench.processes.Client`."""
