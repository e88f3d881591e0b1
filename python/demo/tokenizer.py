"""tokenizer.json and genai_config.json of a model whose token ids are bytes."""

VOCABULARY = 256


def byte_characters():
    """The character that the ByteLevel format of `tokenizers` writes for each byte.

    Bytes that Latin-1 prints are their own character; the others, in order, are
    the characters from U+0100 on.
    """
    printed = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return [
        chr(byte if byte in printed else next(others)) for byte in range(VOCABULARY)
    ]


def tokenizer():
    """tokenizer.json: byte-level BPE without merges, so that each byte is a token."""
    byte_level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": False,
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {
                character: byte for byte, character in enumerate(byte_characters())
            },
            "merges": [],
        },
    }


def genai_config(positions):
    """genai_config.json. There is no end token: the text goes on until it is stopped."""
    return {
        "model": {
            "type": "demo",
            "vocab_size": VOCABULARY,
            "context_length": positions,
            "decoder": {"filename": "model.onnx"},
        },
        "search": {"do_sample": True, "temperature": 0.7, "top_k": 40},
    }
