"""Serve a GGUF model with llama.cpp's HTTP server: `python serve_llama_cpp.py PORT MODEL [--embedding]`.

Ends when its standard input ends, so that it never outlives the process that started it.
"""

import argparse
import sys

import xllamacpp

API_KEY = "sk-test"
MODEL = "tiny"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("model")
    parser.add_argument("--embedding", action="store_true", help="serve /v1/embeddings instead of chat")
    arguments = parser.parse_args()

    parameters = xllamacpp.CommonParams()
    parameters.model.path = arguments.model
    parameters.model_alias = {MODEL}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = arguments.port
    parameters.api_keys = [API_KEY]
    parameters.offline = True
    parameters.ui = False
    parameters.n_gpu_layers = 0
    parameters.cpuparams.n_threads = 2
    # Two slots of 1,024 tokens each: two requests at a time, each with a context window of its own.
    parameters.n_parallel = 2
    parameters.n_ctx = 2048
    parameters.kv_unified = False
    parameters.sampling.temp = 0.0  # where a request names no temperature: the same answer every time
    if arguments.embedding:
        parameters.embedding = True
        parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN

    server = xllamacpp.Server(parameters)  # it serves for as long as this name lives
    sys.stdin.read()
    del server


if __name__ == "__main__":
    main()
