"""An application's recorded requests sent to another endpoint, and its answers held against the old ones."""
