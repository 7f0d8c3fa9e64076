"""The guard on what a run may spend."""

from llmcompat.billing.prices import Price


class Budget:
    """Counts tokens and money, and says when to stop.

    With a price the bound is `max_usd`. Where no price is known it is `max_tokens_without_price`.
    `max_usd=None` switches the guard off; tokens and, with a price, money are still counted. One run, one
    thread.
    """

    def __init__(
        self, max_usd: float | None, price: Price | None, max_tokens_without_price: int = 300_000
    ) -> None:
        self.max_usd = max_usd
        self.price = price
        self.max_tokens_without_price = max_tokens_without_price
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self._spent = 0.0
        self._held_usd = 0.0
        self._held_tokens = 0

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens so far."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def spent_usd(self) -> float | None:
        """USD so far; None where no price is known, which is not the same as nothing spent."""
        return None if self.price is None else self._spent

    @property
    def exhausted(self) -> bool:
        """Whether nothing more may be sent."""
        if self.max_usd is None:
            return False
        if self.price is None:
            return self.tokens >= self.max_tokens_without_price
        return not self.price.is_free and self._spent >= self.max_usd

    def add(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> None:
        """Count one answered request, as its usage says."""
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        if self.price is not None:
            self._spent += self.price.cost(prompt_tokens, completion_tokens, cached_tokens)

    def reserve(self, prompt_tokens: int, completion_tokens: int) -> bool:
        """Hold the most that a request can cost, so that requests in flight together stay within the bound.

        False, and nothing held, where it would pass the bound. Give it back with `release` when the request
        ends.
        """
        cost = 0.0 if self.price is None else self.price.cost(prompt_tokens, completion_tokens)
        tokens = prompt_tokens + completion_tokens
        if self.max_usd is not None:
            if self.price is None:
                if self.tokens + self._held_tokens + tokens > self.max_tokens_without_price:
                    return False
            elif self._spent + self._held_usd + cost > self.max_usd:
                return False
        self._held_usd += cost
        self._held_tokens += tokens
        return True

    def release(self, prompt_tokens: int, completion_tokens: int) -> None:
        """Give back what `reserve` held for the same numbers."""
        cost = 0.0 if self.price is None else self.price.cost(prompt_tokens, completion_tokens)
        self._held_usd = max(0.0, self._held_usd - cost)
        self._held_tokens = max(0, self._held_tokens - prompt_tokens - completion_tokens)
