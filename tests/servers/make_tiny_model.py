# /// script
# requires-python = ">=3.11"
# dependencies = ["gguf>=0.17", "numpy>=2", "tokenizers>=0.21"]
# ///
"""Make `tiny.gguf`, a language model of one layer with weights set by hand: `make_tiny_model.py [FILE]`.

The hidden state has twelve reserved directions; the rest is a random signature of the current token. Six
attention heads each look for one marker token anywhere in the context and, where they find it, raise a flag.
The output layer adds up: seeded noise, a bonus for each wanted pair "after token A comes token B", and what
the flags change. So the next token depends on the last one and on the markers in the context, no more.
"""

import codecs
import contextlib
import io
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

WIDTH, HEADS, HIDDEN, CONTEXT, VOCABULARY = 256, 8, 64, 4096, 1024
HEAD_WIDTH = WIDTH // HEADS
ROPE_BASE, EPSILON = 1e7, 1e-6

SENTENCE = "Hello! I am a tiny test model."
START, END_OF_TEXT, END_OF_TURN = "<|im_start|>", "<|endoftext|>", "<|im_end|>"
# A tool call is spelt by four tokens, so that its arguments arrive in parts when it is streamed.
CALL, CALL_END, TOOLS, RESULT = "<tool_call>", "</tool_call>", "<tools>", "<tool_response>"
NAME, ARGUMENTS = '\n{"name": "get_weather", ', '"arguments": {"city": '
PARIS, LONDON = '"Paris"}}\n', '"London"}}\n'
CONTROL = [END_OF_TEXT, START, END_OF_TURN]
WHOLE = [TOOLS, "</tools>", CALL, CALL_END, RESULT, "</tool_response>", NAME, ARGUMENTS, PARIS, LONDON]

CHAT_TEMPLATE = r"""
{%- if tools %}
{{- '<|im_start|>system\n' }}
{%- if messages[0].role == 'system' %}{{- messages[0].content + '\n\n' }}{%- endif %}
{{- 'Functions that can be called, as JSON:\n<tools>' }}
{%- for tool in tools %}{{- '\n' }}{{- tool | tojson }}{%- endfor %}
{{- '\n</tools>\n\nA call looks so:\n<tool_call>\n{"name": <name>, "arguments": <object>}\n</tool_call>' }}
{{- '<|im_end|>\n' }}
{%- elif messages[0].role == 'system' %}
{{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
{%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- elif message.role == 'assistant' %}
{{- '<|im_start|>assistant' }}
{%- if message.content %}{{- '\n' + message.content }}{%- endif %}
{%- for call in message.tool_calls or [] %}
{%- set function = call.function or call %}
{{- '\n<tool_call>\n{"name": "' + function.name + '", "arguments": ' }}
{{- function.arguments if function.arguments is string else function.arguments | tojson }}
{{- '}\n</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\n' }}
{%- elif message.role == 'tool' %}
{{- '<|im_start|>user\n<tool_response>\n' + message.content + '\n</tool_response><|im_end|>\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}""".strip()

# Reserved directions: a constant, the flags that heads raise, the markers that they look for.
CONSTANT = 0
TOOL_WANTED, TWO_WANTED, LONDON_ASKED, PARIS_ASKED, NOISE_WANTED = range(1, 6)
SEES_TOOLS, SEES_LONDON, SEES_RESULT, SEES_LONDON_CALL, SEES_PARIS_CALL, SEES_RANDOM = range(6, 12)
RESERVED = 12
ATTENTION = [  # (marker, flag, by how much)
    (SEES_TOOLS, TOOL_WANTED, 1.0),
    (SEES_LONDON, TWO_WANTED, 1.0),
    (SEES_RESULT, TOOL_WANTED, -2.0),
    (SEES_LONDON_CALL, LONDON_ASKED, 1.0),
    (SEES_PARIS_CALL, PARIS_ASKED, 1.0),
    (SEES_RANDOM, NOISE_WANTED, 1.0),
]
# The size of the constant and of the signature after the norm, as long as no flag is raised.
SCALE = float(np.sqrt(WIDTH / 2))


def train_tokenizer() -> tuple[Tokenizer, int]:
    """A byte-level BPE tokenizer, and how many of its tokens are ordinary ones."""
    with contextlib.redirect_stdout(io.StringIO()):
        import this  # a text that every Python has
    weather = {
        "name": "get_weather",
        "description": "Get the weather",
        "arguments": {"city": "Paris", "unit": "celsius"},
    }
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    lines = [
        "What is the weather in Paris and in London today? Use the get_weather tool for both.",
        json.dumps(weather),
        json.dumps({"type": "function", "function": {"parameters": schema}}),
        "system user assistant tool You are a helpful assistant. Write random words.",
        "true false null 0 1 2 3 4 5 6 7 8 9 10 20 42 100 red green blue one two three",
    ]
    corpus = [codecs.decode(this.s, "rot13")] * 3 + [SENTENCE] * 200 + lines * 50
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    size = VOCABULARY - len(CONTROL) - len(WHOLE)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(corpus, trainer)
    ordinary = tokenizer.get_vocab_size()
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in CONTROL])
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in WHOLE])
    return tokenizer, ordinary


def token(tokenizer: Tokenizer, text: str) -> int:
    """The one token that spells `text`."""
    [number] = tokenizer.encode(text).ids
    return int(number)


def make_tensors(tokenizer: Tokenizer, ordinary: int) -> dict[str, Any]:
    """The weights by their GGUF names."""
    random = np.random.default_rng(7)
    size = tokenizer.get_vocab_size()
    signatures = random.standard_normal((size, WIDTH - RESERVED))
    signatures /= np.linalg.norm(signatures, axis=1, keepdims=True)

    embedding = np.zeros((size, WIDTH))
    embedding[:, RESERVED:] = signatures
    embedding[:, CONSTANT] = 1
    markers = {
        TOOLS: SEES_TOOLS,
        " London": SEES_LONDON,
        RESULT: SEES_RESULT,
        LONDON: SEES_LONDON_CALL,
        PARIS: SEES_PARIS_CALL,
        " random": SEES_RANDOM,
    }
    for text, marker in markers.items():
        embedding[token(tokenizer, text), marker] = 1

    output = np.zeros((size, WIDTH))
    output[:, RESERVED:] = random.standard_normal((size, WIDTH - RESERVED)) / SCALE
    output[:, CONSTANT] = [bias(tokenizer, number, ordinary) / SCALE for number in range(size)]

    def follow(first: int, second: int, logit: float) -> None:
        output[second, RESERVED:] += logit / SCALE * signatures[first]

    def on_flag(text: str, flag: int, logit: float) -> None:
        output[token(tokenizer, text), flag] = logit / SCALE

    def spell(first: str, second: str, logit: float) -> None:
        follow(token(tokenizer, first), token(tokenizer, second), logit)

    for number in range(size):
        follow(number, number, -6)  # greedy decoding gets stuck on no token
    for mark in "]},:":
        spell(mark, '"', 5)  # strings in JSON are closed soon

    sentence = [*tokenizer.encode("\n" + SENTENCE).ids, token(tokenizer, END_OF_TURN)]
    for first, second in itertools.pairwise(sentence):
        follow(first, second, 11)
    for number in sentence[1:]:
        output[number, NOISE_WANTED] = -12 / SCALE

    for text in (CALL, CALL_END, NAME, ARGUMENTS, PARIS, LONDON):
        on_flag(text, CONSTANT, -4)
    spell("\n", CALL, 9)
    on_flag(CALL, TOOL_WANTED, 12)
    on_flag(CALL, NOISE_WANTED, -12)
    spell(CALL, NAME, 26)
    spell(NAME, ARGUMENTS, 26)
    spell(ARGUMENTS, PARIS, 24)
    spell(ARGUMENTS, LONDON, 20)
    on_flag(LONDON, TWO_WANTED, 14)
    on_flag(LONDON, LONDON_ASKED, -30)
    spell(PARIS, CALL_END, 26)
    spell(LONDON, CALL_END, 26)
    spell(CALL_END, END_OF_TURN, 20)
    spell(CALL_END, "\n", 14)
    on_flag("\n", LONDON_ASKED, 17)
    on_flag("\n", PARIS_ASKED, -17)

    query, key, value, merge = (np.zeros((WIDTH, WIDTH)) for _ in range(4))
    query_bias = np.zeros(WIDTH)
    for head, (marker, flag, gain) in enumerate(ATTENTION):
        start = head * HEAD_WIDTH
        still = start + HEAD_WIDTH - 1  # the pair that RoPE turns slowest: distance does not matter
        query_bias[still] = 20 * np.sqrt(HEAD_WIDTH) / SCALE
        key[still, marker] = 1
        value[start, marker] = 1.22 / SCALE
        merge[flag, start] = gain

    gate, up = (0.02 * random.standard_normal((HIDDEN, WIDTH)) for _ in range(2))
    down = 0.02 * random.standard_normal((WIDTH, HIDDEN))
    gate[:, :RESERVED] = up[:, :RESERVED] = down[:RESERVED] = 0

    ones, zeros = np.ones(WIDTH), np.zeros(WIDTH)
    layer = {
        "attn_norm.weight": ones,
        "attn_q.weight": query,
        "attn_q.bias": query_bias,
        "attn_k.weight": key,
        "attn_k.bias": zeros,
        "attn_v.weight": value,
        "attn_v.bias": zeros,
        "attn_output.weight": merge,
        "ffn_norm.weight": ones,
        "ffn_gate.weight": gate,
        "ffn_up.weight": up,
        "ffn_down.weight": down,
    }
    whole = {"token_embd.weight": embedding, "output.weight": output, "output_norm.weight": ones}
    return whole | {f"blk.0.{name}": tensor for name, tensor in layer.items()}


def bias(tokenizer: Tokenizer, number: int, ordinary: int) -> float:
    """How likely a token is whatever came before: readable text, and JSON that closes soon."""
    text = tokenizer.decode([number], skip_special_tokens=False)
    if text == END_OF_TURN:
        return 4.0
    if number >= ordinary:
        return -8.0
    if text.isspace():
        return -3.0
    if not all(" " <= character <= "~" or character == "\n" for character in text):
        return -8.0
    return {'"': 5.5, "}": 5.0, "]": 5.0, ":": 4.0, ",": 3.0}.get(text, 0.0)


def write(path: Path) -> None:
    """Write the model, with its tokenizer and chat template, as GGUF."""
    tokenizer, ordinary = train_tokenizer()
    size = tokenizer.get_vocab_size()
    tokens = [tokenizer.id_to_token(number) for number in range(size)]
    kinds = [gguf.TokenType.NORMAL] * ordinary
    kinds += [
        gguf.TokenType.CONTROL if text in CONTROL else gguf.TokenType.USER_DEFINED
        for text in tokens[ordinary:]
    ]
    merges = json.loads(tokenizer.to_str())["model"]["merges"]

    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_name("tiny test model")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_vocab_size(size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([text.encode() for text in tokens])
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(merge) for merge in merges])
    writer.add_bos_token_id(token(tokenizer, END_OF_TEXT))
    writer.add_eos_token_id(token(tokenizer, END_OF_TURN))
    writer.add_pad_token_id(token(tokenizer, END_OF_TEXT))
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)
    for name, tensor in make_tensors(tokenizer, ordinary).items():
        writer.add_tensor(name, np.ascontiguousarray(tensor, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("tiny.gguf"))
