"""The server's answers: what OpenAI's API says, errors, limits, hostile bytes.

usage: http_test.py HYBRID-RUN MODEL.hyb
"""

import json
import random
import socket
import sys
import threading
import time
import unittest

from server import HEADERS, Server

COMMAND = []  # of the server, from the command line


class HttpTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(COMMAND, "--max-body", 4096, "--max-tokens-limit", 100)

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def refused(self, body, status, *words, headers=HEADERS):
        got, answer = self.server.post(body, headers)
        self.assertEqual((got, set(answer)), (status, {"error"}), answer)
        error = answer["error"]
        self.assertEqual(set(error), {"message", "type", "param", "code"})
        for word in words:
            self.assertIn(word, error["message"])
        return error

    def test_completion(self):
        status, answer = self.server.post({"prompt": "abc", "temperature": 0})
        self.assertEqual(status, 200)
        self.assertEqual(answer["object"], "text_completion")
        self.assertEqual(answer["model"], self.server.model)
        self.assertEqual(
            answer["usage"],
            {"prompt_tokens": 3, "completion_tokens": 16, "total_tokens": 19},
        )
        (choice,) = answer["choices"]
        self.assertEqual(choice["finish_reason"], "length")
        self.assertEqual((choice["index"], choice["logprobs"]), (0, None))
        self.assertEqual(len(choice["text"]), 16)  # of a model with 128 tokens

        same = {"prompt": [97, 98, 99], "temperature": 0, "model": self.server.model}
        self.assertEqual(self.server.post(same)[1]["choices"], answer["choices"])
        (other,) = self.server.post({**same, "return_token_ids": True})[1]["choices"]
        self.assertEqual(bytes(other["token_ids"]).decode(), choice["text"])
        echo = {"prompt": "abc", "temperature": 0, "echo": True}
        text = self.server.post(echo)[1]["choices"][0]["text"]
        self.assertEqual(text, "abc" + choice["text"])

    def test_seed(self):
        body = {"prompt": "abc", "seed": 7, "max_tokens": 30}
        first = self.server.post(body)[1]["choices"]
        self.assertEqual(self.server.post(body)[1]["choices"], first)
        other = self.server.post({**body, "seed": 8})[1]["choices"]
        self.assertNotEqual(other, first)

    def test_stop(self):
        body = {"prompt": "abc", "temperature": 0}
        text = self.server.post(body)[1]["choices"][0]["text"]
        stop = text[5:7]
        (choice,) = self.server.post({**body, "stop": stop})[1]["choices"]
        self.assertEqual(choice["text"], text[: text.index(stop)])
        self.assertEqual(choice["finish_reason"], "stop")

    def test_several_prompts(self):
        prompts = ["abc", "xyz", "q"]
        body = {"prompt": prompts, "temperature": 0, "max_tokens": 9}
        alone = [
            self.server.post({**body, "prompt": text})[1]["choices"][0]["text"]
            for text in prompts
        ]
        together = self.server.post(body)[1]
        self.assertEqual([c["text"] for c in together["choices"]], alone)
        self.assertEqual([c["index"] for c in together["choices"]], [0, 1, 2])
        self.assertEqual(together["usage"]["total_tokens"], 7 + 27)
        texts = ["", "", ""]
        for chunk in self.server.chunks({**body, "stream": True}):
            self.assertNotIn("usage", chunk)
            for choice in chunk["choices"]:
                texts[choice["index"]] += choice["text"]
        self.assertEqual(texts, alone)

    def test_other_pages(self):
        self.assertEqual(self.server.get("/health"), (200, '{"status":"ok"}'))
        status, text = self.server.get("/v1/models")
        self.assertEqual(status, 200)
        (model,) = json.loads(text)["data"]
        self.assertEqual(model["id"], self.server.model)
        status, text = self.server.get("/v1/models/" + self.server.model)
        self.assertEqual((status, json.loads(text)), (200, model))
        self.assertEqual(self.server.metrics()["slots"], 8)
        for path in (
            "/",
            "/v1/chat/completions",
            "/v1/models/x",
            "/%00",
            "/" + "x" * 9000,
        ):
            self.assertIn(self.server.get(path)[0], (404, 414))
        self.assertEqual(self.server.get("/v1/completions")[0], 405)

    def test_bad_json(self):
        for body in ("", "{", "[]", "1", '{"prompt": "\xff"}', '{"prompt": 1e999}'):
            self.refused(body.encode("latin-1"), 400, "body")
        self.refused("[" * 4000, 400, "nested too deeply")
        self.refused('{"prompt":' + "[" * 4000, 400, "nested too deeply")

    def test_bad_members(self):
        cases = [
            ({}, "prompt", "missing"),
            ({"prompt": ""}, "prompt", "empty"),
            ({"prompt": []}, "prompt", "empty"),
            ({"prompt": [[]]}, "prompt", "empty"),
            ({"prompt": None}, "prompt", "missing"),
            ({"prompt": {"a": 1}}, "prompt", "list"),
            ({"prompt": [1, "a"]}, "prompt", "integers"),
            ({"prompt": ["a", 1]}, "prompt", "must be"),
            ({"prompt": [1.5]}, "prompt", "integers"),
            ({"prompt": [-1]}, "prompt", "no token -1"),
            ({"prompt": [128]}, "prompt", "no token 128"),
            ({"prompt": [2**63]}, "prompt", "integers"),
            ({"prompt": [2**70]}, "prompt", "integers"),
            ({"prompt": "\u00e9"}, "prompt", "no token"),
            ({"prompt": ["a"] * 300}, "prompt", "at most 264"),
            ({"max_tokens": 0}, "max_tokens", "1 to 100"),
            ({"max_tokens": -1}, "max_tokens", "1 to 100"),
            ({"max_tokens": 101}, "max_tokens", "1 to 100"),
            ({"max_tokens": 2**64}, "max_tokens", "1 to 100"),
            ({"max_tokens": 5.5}, "max_tokens", "integer"),
            ({"max_tokens": "5"}, "max_tokens", "integer"),
            ({"temperature": -0.1}, "temperature", "0 to 2"),
            ({"temperature": 3}, "temperature", "0 to 2"),
            ({"temperature": "hot"}, "temperature", "number"),
            ({"top_p": 0}, "top_p", "above 0"),
            ({"top_p": 1.1}, "top_p", "at most 1"),
            ({"top_k": -2}, "top_k", "integer"),
            ({"repetition_penalty": 0}, "repetition_penalty", "number"),
            ({"seed": 1.5}, "seed", "integer"),
            ({"stop": 5}, "stop", "list"),
            ({"stop": ["a"] * 17}, "stop", "at most 16"),
            ({"stop": [""]}, "stop", "bytes"),
            ({"stream": "yes"}, "stream", "true or false"),
            ({"stream_options": {}}, "stream_options", "stream = true"),
            ({"n": 2}, "n", "n = 1"),
            ({"logprobs": 1}, "logprobs", "not supported"),
            ({"logit_bias": {"1": 1}}, "logit_bias", "not supported"),
            ({"max_token": 1}, "max_token", "does not know"),
        ]
        for members, param, word in cases:
            with self.subTest(members=members):
                body = members if "prompt" in members else {"prompt": "a", **members}
                if members == {}:
                    body = {}
                self.assertEqual(self.refused(body, 400, word)["param"], param)
        long = {"prompt": [1] * 450, "max_tokens": 100}
        error = self.refused(long, 400, "450", "100", "context")
        self.assertEqual(error["code"], "context_length_exceeded")
        error = self.refused({"prompt": "a", "model": "other"}, 404, "other")
        self.assertEqual(error["code"], "model_not_found")

    def test_switched_off_members(self):
        off = {
            "prompt": "a",
            "n": 1,
            "best_of": 1,
            "logprobs": None,
            "suffix": None,
            "logit_bias": {},
            "presence_penalty": 0,
            "frequency_penalty": 0.0,
            "user": "someone",
            "top_k": -1,
            "stop": None,
            "seed": -1,
        }
        self.assertEqual(self.server.post(off)[0], 200)

    def test_bad_headers(self):
        body = b'{"prompt": "a"}'
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        self.refused(body, 415, "application/json", headers=form)
        self.refused(body, 415, headers={"Content-Type": "multipart/form-data"})
        packed = {**HEADERS, "Content-Encoding": "gzip"}
        self.refused(body, 415, "compressed", headers=packed)
        self.refused(b" " * 4097, 413, "4096")
        self.refused(b" " * 10_000_000, 413, "4096")

    def test_raw_bytes(self):
        post = b"POST /v1/completions HTTP/1.1\r\nContent-Type: application/json\r\n"
        numbers = b",".join(b"%d-%d" % (i, i) for i in range(1000))
        cases = {
            b"": None,
            b"\r\n\r\n": b"400",
            b"nonsense\r\n\r\n": b"400",
            b"\x00" * 1000: None,
            b"A" * 100_000: b"431",
            b"GET /health HTTP/1.1\r\n" + b"a: b\r\n" * 5000: b"431",
            b"GET /health HTTP/9.9\r\n\r\n": b"400",
            b"GET /health HTTP/1.1\r\nRange: bytes=" + numbers + b"\r\n\r\n": b"200",
            b"GET /health HTTP/1.1\r\na\nRange: bytes=9-1\r\n\r\n": b"200",
            b"DELETE /v1/completions HTTP/1.1\r\n\r\n": b"405",
            post + b"\r\n{}": b"411",
            post + b"Content-Length: 99\r\n\r\n{}": b"400",
            post + b"Content-Length: -1\r\n\r\n{}": b"413",
            post + b"Content-Length: 99999999999999999999\r\n\r\n{}": b"413",
            post + b"Content-Length: zz\r\n\r\n{}": b"400",
            post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n": b"400",
            post + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}": b"400",
            post + b"Transfer-Encoding: chunked\r\n\r\n" + b"9" * 9999: b"400",
        }
        for data, status in cases.items():
            with self.subTest(data=data[:100]):
                answer = self.server.raw(data)
                if status is None:
                    self.assertFalse(answer.startswith(b"HTTP/1.1 2"), answer)
                else:
                    self.assertTrue(
                        answer.startswith(b"HTTP/1.1 " + status), answer[:200]
                    )
        rng = random.Random(0)
        start = (
            post
            + b"Content-Length: 40\r\n\r\n"
            + b'{"prompt": [1, 2, 3], "max_tokens": 3}  '
        )
        for _ in range(200):
            broken = bytearray(start)
            for _ in range(rng.randint(1, 4)):
                broken[rng.randrange(len(broken))] = rng.randrange(256)
            self.server.raw(bytes(broken[: rng.randint(1, len(broken))]))
        self.assertEqual(self.server.get("/health")[0], 200)

    def test_pipelined_requests(self):
        body = json.dumps({"prompt": "a", "max_tokens": 1}).encode()
        request = (
            b"POST /v1/completions HTTP/1.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        ) + body
        with socket.create_connection(("127.0.0.1", self.server.port)) as sock:
            sock.sendall(3 * request)
            sock.settimeout(5)
            received = b""
            while received.count(b'"usage"') < 3:
                received += sock.recv(65536)
        self.assertEqual(received.count(b"HTTP/1.1 200"), 3)

    def test_slow_clients_do_not_stop_others(self):
        slow = []
        for _ in range(100):
            sock = socket.create_connection(("127.0.0.1", self.server.port))
            sock.sendall(b"POST /v1/comp")
            slow.append(sock)
        begin = time.monotonic()
        self.assertEqual(self.server.post({"prompt": "a"})[0], 200)
        self.assertLess(time.monotonic() - begin, 5)
        for sock in slow:
            sock.close()


class LimitsTest(unittest.TestCase):
    @staticmethod
    def post_third(server):
        """Of a request behind one that is answered and one that waits."""
        body = {"prompt": "a", "max_tokens": 500, "stream": True}
        first, second = server.chunks(body), server.chunks(body)
        next(first)
        # The generator asks when it is first used: in a thread, as it waits.
        waiting = threading.Thread(target=lambda: next(second, None))
        waiting.start()
        end = time.monotonic() + 1
        while not server.metrics()["queue"] and time.monotonic() < end:
            time.sleep(0.001)
        result = server.post({"prompt": "a"})
        first.close()
        waiting.join()
        second.close()
        return result

    def test_queue(self):
        with Server(COMMAND, "--slots", 1, "--queue", 1) as server:
            # A fast machine may be done with the first request before the third.
            for _ in range(20):
                status, answer = self.post_third(server)
                if status == 429:
                    break
            self.assertEqual(status, 429)
            self.assertEqual(answer["error"]["code"], "queue_full")
            self.assertEqual(server.wait_until_idle()["slots_busy"], 0)
            self.assertEqual(server.post({"prompt": "a"})[0], 200)

    def test_idle_connections_make_room(self):
        with Server(COMMAND, "--slots", 1, "--queue", 0) as server:
            idle = []
            for _ in range(60):
                connection = server.connect()
                connection.connect()
                idle.append(connection)
            begin = time.monotonic()
            self.assertEqual(server.post({"prompt": "a"})[0], 200)
            self.assertLess(time.monotonic() - begin, 15)
            for connection in idle:
                connection.close()

    def test_shutdown(self):
        with Server(COMMAND) as server:
            body = {"prompt": "a", "max_tokens": 20, "stream": True}
            begin = time.monotonic()
            stream = server.chunks(body)
            next(stream)
            idle = server.connect()
            idle.connect()
            self.assertEqual(server.terminate(), ("", 0))
            self.assertLess(time.monotonic() - begin, 6)
            list(stream)  # was allowed to end
            with self.assertRaises(OSError):
                server.get("/health")
            idle.close()

    def test_bad_command_lines(self):
        for options, words in {
            ("--slots", "99"): "99 slots are more than",
            ("--host", "no.such.host.invalid"): "cannot listen on",
        }.items():
            with self.assertRaisesRegex(RuntimeError, words):
                Server(COMMAND, *options)


if __name__ == "__main__":
    COMMAND[:] = sys.argv[1:3] + ["--threads", "1"]
    unittest.main(argv=sys.argv[:1])
