"""Runs llama.cpp's HTTP server on a model file and prints its address: `python -m ... MODEL.gguf`."""

import sys
import time

import xllamacpp

if __name__ == "__main__":
    params = xllamacpp.CommonParams()
    params.model.path = sys.argv[1]
    params.n_ctx = 2048
    params.n_parallel = 1
    # As many as there are cores would wait for each other, busily, while other tests have the cores: twenty seconds an answer.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    while True:
        time.sleep(60)
