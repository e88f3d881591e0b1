"""Many clients at once, some of whom hang up: the others get what they get alone.

usage: clients_test.py HYBRID-RUN MODEL.hyb
"""

import json
import random
import sys
import threading
import time
import unittest

from server import HEADERS, HangUp, Server

COMMAND = []  # of the server, from the command line
CLIENTS = 64
ROUNDS = 3
CONTEXT = 256  # of the smallest model


def make_request(rng, prefixes):
    """A request body. Prompts are token ids, so that any model serves."""
    prompt = list(rng.choice(prefixes)) if rng.random() < 0.6 else []
    prompt += [rng.randrange(100) for _ in range(rng.randint(1, 80))]
    body = {"prompt": prompt, "max_tokens": rng.randint(1, 40)}
    if rng.random() < 0.3:
        body["temperature"] = 0
    else:
        body.update(temperature=rng.uniform(0.3, 1.5), seed=rng.randrange(2**63))
    if rng.random() < 0.3:
        body["top_p"] = rng.uniform(0.5, 1)
    if rng.random() < 0.3:
        body["top_k"] = rng.randint(1, 50)
    if rng.random() < 0.3:
        body["repetition_penalty"] = 1.2
    if rng.random() < 0.3:
        body["stop"] = [chr(rng.randrange(97, 123)), "never comes"]
    body["stream"] = rng.random() < 0.6
    return body


def ask(server, body, leave_after=None):
    """Text, finish reason and tokens. With `leave_after` (seconds) hangs up."""
    if leave_after is not None:
        longest = CONTEXT - len(body["prompt"])
        leave(server, {**body, "max_tokens": longest, "stop": None}, leave_after)
        raise HangUp
    if not body["stream"]:
        status, answer = server.post(body)
        if status != 200:
            raise RuntimeError(f"{status}: {answer}")
        choice = answer["choices"][0]
        tokens = answer["usage"]["completion_tokens"]
        return choice["text"], choice["finish_reason"], tokens
    text, reason, usage = "", None, None
    for chunk in server.chunks({**body, "stream_options": {"include_usage": True}}):
        for choice in chunk["choices"]:
            assert reason is None, "a chunk after the last"
            text += choice["text"]
            reason = choice["finish_reason"]
        usage = chunk["usage"]
    return text, reason, usage["completion_tokens"]


def leave(server, body, seconds):
    """Sends a request and closes the connection some time later."""
    connection = server.connect()
    connection.request("POST", "/v1/completions", json.dumps(body), HEADERS)
    time.sleep(seconds)
    connection.close()


class ClientsTest(unittest.TestCase):
    def setUp(self):
        rng = random.Random(4)
        prefixes = [[rng.randrange(100) for _ in range(n)] for n in (64, 80, 128)]
        self.requests = [make_request(rng, prefixes) for _ in range(CLIENTS)]
        # Alone: one slot, nothing kept from earlier prompts.
        with Server(COMMAND, "--slots", 1, "--prefix-slots", 0) as lone:
            self.expected = [ask(lone, body) for body in self.requests]

    def test_all_get_what_a_lone_client_gets(self):
        with Server(COMMAND, "--slots", 8) as server:
            memory = []
            for number in range(ROUNDS):
                self.round(server, random.Random(number))
                metrics = server.wait_until_idle()
                self.assertEqual(metrics["slots_busy"], 0)
                self.assertEqual(metrics["queue"], 0)
                memory.append(server.memory())
            self.assertEqual(
                metrics["requests_accepted_total"],
                metrics["requests_completed_total"]
                + metrics["requests_cancelled_total"],
            )
            self.assertEqual(metrics["requests_failed_total"], 0)
            self.assertGreater(metrics["requests_cancelled_total"], 0)
            self.assertGreater(metrics["prefix_hits_total"], CLIENTS // 2)
            self.assertGreater(
                metrics["decode_rows_total"], 2 * metrics["decode_steps_total"]
            )
            self.assertLess(memory[-1] - memory[0], 16 << 20, memory)
            self.assertEqual(server.terminate(), ("", 0))

    def round(self, server, rng):
        """All clients at once; every third hangs up at some moment."""
        problems, compared = [], []
        order = rng.sample(range(CLIENTS), CLIENTS)
        leaving = {i: rng.uniform(0, 0.5) for i in order[: CLIENTS // 3]}

        def client(index):
            try:
                got = ask(server, self.requests[index], leaving.get(index))
                compared.append(index)
                if got != self.expected[index]:
                    problems.append((index, got, self.expected[index]))
            except HangUp:
                pass
            except Exception as error:  # pylint: disable=broad-except
                problems.append((index, repr(error)))

        threads = [threading.Thread(target=client, args=(i,)) for i in order]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(problems, [])
        self.assertEqual(len(compared), CLIENTS - CLIENTS // 3)


if __name__ == "__main__":
    COMMAND[:] = sys.argv[1:3] + ["--threads", "1"]
    unittest.main(argv=sys.argv[:1])
