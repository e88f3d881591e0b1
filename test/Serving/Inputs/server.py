"""Starts `hybrid-run --serve` and talks to it, with the standard library only."""

import http.client
import json
import re
import signal
import socket
import subprocess
import time

HEADERS = {"Content-Type": "application/json"}


class HangUp(Exception):
    """The client has left on purpose."""


class Server:
    """A server process on a free port."""

    def __init__(self, command, *options):
        self.process = subprocess.Popen(
            [*command, "--serve", "0", *map(str, options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        line = self.process.stdout.readline()
        found = re.match(r"serving '(.*)' at http://127\.0\.0\.1:(\d+)/v1 ", line)
        if not found:
            raise RuntimeError(line + self.process.communicate()[0])
        self.model, self.port = found[1], int(found[2])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def terminate(self):
        """Sends SIGTERM; returns what was printed since, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        text = self.process.communicate(timeout=20)[0]
        return text, self.process.returncode

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def get(self, path):
        connection = self.connect()
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def metrics(self):
        pairs = re.findall(r"^hybrid_(\w+) (\d+)$", self.get("/metrics")[1], re.M)
        return {name: int(value) for name, value in pairs}

    def post(self, body, headers=HEADERS):
        """Returns status and decoded JSON of a request in one piece."""
        connection = self.connect()
        if not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        connection.request("POST", "/v1/completions", body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, json.loads(text)

    def chunks(self, body):
        """Yields the decoded chunks of a stream; raises unless it ends well."""
        connection = self.connect()
        connection.request("POST", "/v1/completions", json.dumps(body), HEADERS)
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {answer.read().decode()}")
        try:
            data = None
            for line in answer:
                line = line.decode()  # fails on half a character
                if line != "\n":
                    assert line.startswith("data: "), line
                    data = line[len("data: ") :].strip()
                    if data != "[DONE]":
                        yield json.loads(data)
            assert data == "[DONE]", data
        finally:
            answer.close()
            connection.close()

    def raw(self, data, patience=5):
        """Sends bytes; returns all that comes back until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port)) as sock:
            sock.settimeout(patience)
            received = b""
            try:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
                while part := sock.recv(65536):
                    received += part
            except OSError:
                pass
            return received

    def wait_until_idle(self, patience=10):
        """The metrics once no slot is busy and nothing waits; else as they are."""
        end = time.monotonic() + patience
        while True:
            now = self.metrics()
            if not now["slots_busy"] + now["queue"] or time.monotonic() > end:
                return now
            time.sleep(0.05)

    def memory(self):
        """Resident bytes."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return 1024 * int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1])
