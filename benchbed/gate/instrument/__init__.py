"""What runs in the gate's child processes, always the gate's own copy, whatever source tree it measures.

Both sides of a gate must be held to the same clock, so these files are loaded by path under a name of their own
(`__main__.py`), while `benchbed` and `methods` inside the child are the measured tree's. They import of it only what every
revision of the bench has: plan, subject, inference, stages, the counters of cost.
"""
