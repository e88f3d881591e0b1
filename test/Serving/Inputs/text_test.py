"""Text in and out of a model that knows all bytes: whole characters only.

usage: text_test.py HYBRID-RUN MODEL.hyb
"""

import sys
import unittest

from server import Server

COMMAND = []  # of the server, from the command line


class TextTest(unittest.TestCase):
    def test_streams_hold_whole_characters(self):
        broken = 0
        with Server(COMMAND) as server:
            for seed in range(20):
                # So hot that bytes come in any order.
                body = {"prompt": "é → 𝄞", "temperature": 2, "max_tokens": 60}
                body["seed"] = seed
                status, answer = server.post({**body, "echo": True})
                self.assertEqual(status, 200)
                whole = answer["choices"][0]["text"]
                pieces = [
                    choice["text"]  # decoding a chunk fails on half a character
                    for chunk in server.chunks({**body, "stream": True})
                    for choice in chunk["choices"]
                ]
                self.assertEqual("é → 𝄞" + "".join(pieces), whole)
                self.assertGreater(len(pieces), 1)
                broken += "\ufffd" in whole
        self.assertGreater(broken, 0, "the test has not seen a broken character")


if __name__ == "__main__":
    COMMAND[:] = sys.argv[1:3] + ["--threads", "1"]
    unittest.main(argv=sys.argv[:1])
