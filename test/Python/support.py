"""What the tests share: compiled models and small ONNX graphs."""

import atexit
import functools
import itertools
import os
import shutil
import tempfile
from pathlib import Path

import hybrid

SOURCE = Path(__file__).resolve().parent.parent.parent
MODELS = SOURCE / "test/Models"
HOME = Path(os.environ["HYBRID_HOME"])

SCRATCH = Path(tempfile.mkdtemp(prefix="hybrid-python-"))
atexit.register(shutil.rmtree, SCRATCH, ignore_errors=True)

#: A model of each kind of state: attention, convolution and SSD; attention with
#: a window, side by side with SSD; gated delta rule; Mamba-1.
MIXED = "std27_inter_mamba2_f32"
WINDOW = "std27_intra_hymba_f32"
DELTA = "genai_qwen3_5_f32"
MAMBA1 = "mobius_jamba_f32"
STATELESS = "paper_ssd_attn_opset23"


def onnx_file(name):
    return MODELS / name / "model.onnx"


@functools.lru_cache(maxsize=None)
def artifact(name):
    """The path of a model, compiled once, with capacities of 4 sequences, 32
    tokens a call and 128 tokens a session."""
    path = SCRATCH / f"{name}.hyb"
    hybrid.compile(
        onnx_file(name),
        output=path,
        max_batch=4,
        max_seq=32,
        max_context=128,
        opt_level=1,
    )
    return path


@functools.lru_cache(maxsize=None)
def module(name):
    return hybrid.load(artifact(name))


def own_module(name):
    """A module of a file of its own."""
    path = SCRATCH / f"{name}-{next(_numbers)}.hyb"
    shutil.copyfile(artifact(name), path)
    return hybrid.load(path)


_numbers = itertools.count()
