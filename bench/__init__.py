"""The benchmarks: this server beside others, under one load. See ``docs/benchmarks.md``."""
