"""The guard on what a run may spend."""

from llmcompat.settings import Pricing


class Budget:
    """Counts tokens and money, and says when to stop.

    What is under way when the bound is met still ends, so that a run may pass it by as many requests as it
    sends at once. With a price the bound is `max_usd`. Where no price is known it is
    `max_tokens_without_price`. `max_usd=None` switches the guard off; tokens and, with a price, money are
    still counted. One run, one thread.
    """

    def __init__(
        self, max_usd: float | None, price: Pricing | None, max_tokens_without_price: int = 300_000
    ) -> None:
        self.max_usd = max_usd
        self.price = price
        self.max_tokens_without_price = max_tokens_without_price
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self._spent = 0.0

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

    def reprice(self, price: Pricing) -> None:
        """Count what was and will be used at another price; what was read from a cache counts in full."""
        self.price = price
        self._spent = price.cost(self.prompt_tokens, self.completion_tokens)

    def add(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> None:
        """Count one answered request, as its usage says."""
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        if self.price is not None:
            self._spent += self.price.cost(prompt_tokens, completion_tokens, cached_tokens)
