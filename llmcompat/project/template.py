"""The project file that `llmcompat init` writes: short, and with a comment for every key."""

from __future__ import annotations

import json
import re
import textwrap

_TEMPLATE = """\
# What llmcompat checks, and what your application needs of it.
# `llmcompat check` checks all targets, `llmcompat check chat` one, `llmcompat config` shows what is in force.
# Options on the command line go before this file. Keys are never in it: they come from the environment.

targets:
  # By the role that each endpoint has in your application; the names are yours.
  chat:
    # A name that `llmcompat providers` lists, NAME:MODEL, or a profile file beside this one.
    provider: {provider}
    {model}
    # base_url: https://llm.example.com/v1   # an address of your own; its key is in LLMCOMPAT_API_KEY
    # api_key_env: SHOP_LLM_KEY              # the variable with the key, if not the provider's usual one
    # insecure_http: true                    # allow plain http beyond this machine
    # embedding_model: some-vectors          # asked for embeddings
    # vision_model: some-eyes                # asked with images
    # context_window: 64000                  # tokens that prompt and answer may have together
    # balance_floor: 10                      # the least that the account should hold, in its own currency
    #
    # What your application really sends with every chat; env:NAME takes a value from the environment.
    # request:
    #   headers: {{X-Title: shop, api-key: env:SHOP_LLM_KEY}}
    #   body: {{temperature: 0.2}}
    #
    # for, uses, without, clients, only, skip and budgets may stand here too: then they hold for this target.

  # A target named embeddings is checked for what embeddings need, and the others are not asked for them.
  # The same holds for one named vision, and for any name with `purpose: embeddings` or `purpose: vision`.
  # embeddings:
  #   provider: deepinfra
  #   model: BAAI/bge-m3

# What decides: chat, agent (chat, tools and JSON) or trial (the wire basics).
for: {use_case}

# Features that you also need, and those that you do not use. There are:
{features}
# uses: [logprobs]
# without: [parallel-tools]

# The client libraries that your application uses; a report then says which of them break.
# clients: [openai-python]

# Only these checks, or not these: ids, items or patterns (`llmcompat list`).
# only: ['stream-*', tools]
# skip: [output-style]

# Deviations that you live with. Each needs a reason; after `until` it counts no longer.
# accepted:
#   - check: tool-arguments-string
#     case: object              # one case of the check; any without this line
#     target: chat              # a role, a provider or PROVIDER:MODEL; all without this line
#     reason: our parser takes objects too
#     until: 2099-12-31
# fail_on_stale: true           # an accepted deviation that no longer occurs fails

# What your application calls and how much at most; `llmcompat uses` learns it from what was captured.
# calls: [/v1/chat/completions, /v1/embeddings]
# peak: {{requests_per_minute: 120, tokens_per_minute: 90000}}
# prompt_tokens: {{p50: 900, p99: 14000}}

# Requests of your application, each a prompt with what its answer must hold (`llmcompat check`).
# workload:
#   - name: refund
#     system: You help customers of a shop.   # also: messages, model, tools, schema, stream, body
#     prompt: How do I get my money back?
#     expect: {{contains: refund, language: en, max_latency: 10}}
#     # also: matches, json_schema, calls: {{tool: NAME, with: {{...}}}}, refused: false

# What may be spent.
# budgets:
#   latency:
#     first_token: 2.0          # seconds until a stream begins, at the median
#     tokens_per_second: 20     # the least speed of a stream, at the median
#   run_usd: 0.10               # one run on one target
#   monthly_usd: 200            # your application, at each target
#   alert_at: [0.5, 0.8, 1.0]   # shares of it at which `llmcompat billing check` tells somebody
#   alert:
#     webhook: env:ALERT_URL    # the variable with the address: whoever has it can write there
#     format: slack             # or json
#     command: [./page.sh]      # gets the alert as JSON on its standard input

# What you pay, in USD per million tokens, by PROVIDER or PROVIDER:MODEL; it goes before published prices.
# prices:
#   deepseek: {{input: 0.28, output: 0.42, cached_input: 0.028, as_of: 2026-11-01}}

# Who decided what no run can decide (`llmcompat sign`), and whether all of it must be signed.
# signoff: llmcompat.signoff.yaml
# require_signoff: true

# Folders with checks of your own.
# checks: [./checks]

# How a run goes: requests at the same time, seconds for a request and for the run, the longest prompt in
# tokens, how often everything is asked, and whether warnings fail too.
# concurrency: 8
# timeout: 60
# deadline: 600
# max_prompt_tokens: 32000
# repeat: 1
# strict: true
"""


def template(
    provider: str, *, model: str | None, default_model: str | None, use_case: str, features: tuple[str, ...]
) -> str:
    """The text of a new project file; `default_model` is what is asked where `model` is None."""
    if model is not None:
        line = f"model: {_scalar(model)}"
    elif default_model is not None:
        line = f"# model: {_scalar(default_model)}   # the profile's default"
    else:
        line = "# model: NAME"
    listed = textwrap.fill(
        ", ".join(features),
        width=108,
        initial_indent="# ",
        subsequent_indent="# ",
        break_on_hyphens=False,
    )
    return _TEMPLATE.format(provider=_scalar(provider), model=line, use_case=use_case, features=listed)


def _scalar(text: str) -> str:
    """Text as YAML: bare where nothing in it can mean anything else."""
    plain = re.fullmatch(r"[A-Za-z./][A-Za-z0-9._/@-]*(?::[A-Za-z0-9._/@-]+)*", text)
    is_word = text.lower() in ("true", "false", "null", "yes", "no", "on", "off")
    return text if plain and not is_word else json.dumps(text)
