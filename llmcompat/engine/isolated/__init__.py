"""A user's own checks and probes, run in a process of their own that may break, hang or die."""
