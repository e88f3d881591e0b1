"""Hybrid language models as designs: each is written as ONNX, and what it costs
is known, without a compiler.

    import hybrid.models

    design = hybrid.models.inter("1B", ratio=(1, 5))
    design.parameters                     # counts
    hybrid.models.cost(design, context=8192).state_bytes
    design.save("model.onnx", dtype="bf16")

docs/models.md describes it all.
"""

from ._compiled import CompilerCosts, compiler_costs
from ._cost import Cost, Costs, cost, state_bytes
from ._design import (
    Attention,
    Design,
    FeedForward,
    GatedDelta,
    Layer,
    Mamba1,
    Mamba2,
    Parallel,
    Parameters,
    Rope,
)
from ._recipes import (
    SIZES,
    diff_mamba,
    diff_transformer,
    falcon_h1,
    gated_delta,
    hymba,
    inter,
    intra,
    llama,
    mamba1,
    mamba2,
    moe,
    swa,
)

__all__ = [
    "SIZES",
    "Attention",
    "CompilerCosts",
    "Cost",
    "Costs",
    "Design",
    "FeedForward",
    "GatedDelta",
    "Layer",
    "Mamba1",
    "Mamba2",
    "Parallel",
    "Parameters",
    "Rope",
    "compiler_costs",
    "cost",
    "diff_mamba",
    "diff_transformer",
    "falcon_h1",
    "gated_delta",
    "hymba",
    "inter",
    "intra",
    "llama",
    "mamba1",
    "mamba2",
    "moe",
    "state_bytes",
    "swa",
]
