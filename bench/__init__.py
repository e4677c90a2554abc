"""Throughput, latency and idle cost of a complete Perdure, against what its database could do at best."""
