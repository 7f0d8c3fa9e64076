"""The user's own application under a proxy that injects faults, judged from outside."""
