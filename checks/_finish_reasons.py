"""The words with which an answer says why it ended."""

FINISH_REASONS = ("stop", "length", "tool_calls", "content_filter", "function_call")
