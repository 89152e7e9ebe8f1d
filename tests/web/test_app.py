"""The server of a shop."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvicorn
from fastapi import FastAPI

from web.app import Server


def test_a_shop_is_told_open_once_it_lets_somebody_in() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    entered: list[socket.socket] = []

    def opened() -> None:
        entered.append(socket.create_connection(("127.0.0.1", port), timeout=5))
        server.should_exit = True

    server = Server(uvicorn.Config(FastAPI(), port=port, log_level="warning", timeout_graceful_shutdown=0), opened)
    running = threading.Thread(target=server.run)
    running.start()
    running.join(20)
    assert not running.is_alive()
    assert len(entered) == 1
    entered[0].close()


def test_one_that_finds_its_port_taken_is_not_told_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        told: list[int] = []
        config = uvicorn.Config(FastAPI(), port=taken.getsockname()[1], log_level="critical")
        with ThreadPoolExecutor(1) as pool, pytest.raises(SystemExit):
            pool.submit(Server(config, lambda: told.append(1)).run).result(20)
        assert told == []
