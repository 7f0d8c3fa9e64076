"""HTTP as it is: requests, recorded answers, server-sent events and the redaction of keys."""
