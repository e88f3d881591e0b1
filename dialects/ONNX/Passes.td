//===- Passes.td - Passes inside the onnx dialect -------------------------===//

#ifndef HYBRID_DIALECT_ONNX_PASSES_TD
#define HYBRID_DIALECT_ONNX_PASSES_TD

include "mlir/Pass/PassBase.td"

def ONNXInferShapes : Pass<"onnx-infer-shapes", "::mlir::func::FuncOp"> {
  let summary = "Infer shapes and refine the types of all values";
  let description = [{
    Computes the symbolic shape of every value (see SymbolicShape.h) and writes
    what is static into the types. Dimensions that are expressions stay dynamic:
    the expressions live in the analysis, not in the IR.

    ```mlir
    func.func @main(%x: tensor<?x64xf32> {onnx.dims = ["n", 64]})
        -> tensor<?x?xf32> {
      %perm = onnx.Transpose(%x) {perm = array<i64: 1, 0>}
          : (tensor<?x64xf32>) -> tensor<?x?xf32>
      return %perm : tensor<?x?xf32>
    }
    ```
    becomes
    ```mlir
    func.func @main(%x: tensor<?x64xf32> {onnx.dims = ["n", 64]})
        -> tensor<64x?xf32> {
      %perm = onnx.Transpose(%x) {perm = array<i64: 1, 0>}
          : (tensor<?x64xf32>) -> tensor<64x?xf32>
      return %perm : tensor<64x?xf32>
    }
    ```
  }];
  let options = [
    ListOption<"bindings", "bindings", "std::string",
               "Names of dimensions as expressions over other names: "
               "total=past+seq (default: none)">
  ];
  let statistics = [
    Statistic<"numRefined", "num-refined", "Results whose type changed">
  ];
}

def ONNXPrintShapes : Pass<"onnx-print-shapes", "::mlir::func::FuncOp"> {
  let summary = "Print the symbolic shape of every value";
  let description = [{
    One line per result: its name in the file, its operator, its shape, and its
    elements if it is a small integer tensor whose elements are known; then one
    line per symbol that is not a dimension of an input, and the number of
    values with an unknown rank or with dimensions that depend on data.

    ```
    /layers.0/Reshape_output_0 Reshape [batch, seq, 8, 16]
    shape Concat [4] = {batch, seq, 8, 16}
    values 2, unknown rank 0, data-dependent 0
    ```
  }];
  let options = [
    ListOption<"bindings", "bindings", "std::string",
               "Names of dimensions as expressions over other names: "
               "total=past+seq (default: none)">,
    Option<"summaryOnly", "summary-only", "bool", "false",
           "Print only the last line">
  ];
}

def ONNXBindStates : Pass<"onnx-bind-states", "::mlir::ModuleOp"> {
  let summary = "Find the inputs and outputs that are states of the model";
  let description = [{
    Marks an argument with `onnx.state` when it and a result are a state before
    and after the call. By name, with i a number (of the layer), and rest
    anything:

    | input                          | output                          | written by           |
    |--------------------------------|---------------------------------|----------------------|
    | `past_key_values.i.rest`       | `present.i.rest`                | genai, mobius        |
    | `past_states.i.rest`           | `present.i.rest`                | mobius               |
    | `past.i.rest`                  | `present.i.rest`                | genai                |
    | `past_word.i.rest`             | `present_word.i.rest`           | transformers.js      |
    | `input.past_key_values.rest`   | `output.past_key_values.rest`   | transformers         |

    and by shape: equal element types and sizes, except that one dynamic dimension
    after the first may grow. Kind: `kv` if one grows (`length_axis`), `conv` if
    the name says so or the rank is 3, `recurrent` otherwise.

    It also decides what dimensions mean. The tokens are `input_ids`, or else
    the first input of rank 2 or more; their dimensions are the batch and seq. The
    first length that grows is past; other states' lengths are bound to it, the
    length of `attention_mask` and the states' new lengths to past + seq, and
    batches to the batch: function attributes `onnx.bindings` (name to expression)
    and `onnx.roles` (role to name). Where a state keeps its size only if a
    call has one token, seq is bound to 1.

    ```mlir
    func.func @main(
        %ids: tensor<?x?xi64> {onnx.name = "input_ids", onnx.dims = ["b", "s"]},
        %past: tensor<?x2x?x8xf32> {onnx.name = "past_key.0", onnx.dims = ["b", 2, "p", 8]})
        -> (tensor<?x2x?x8xf32> {onnx.name = "present_key.0", onnx.dims = ["b", 2, "t", 8]})
    ```
    gets
    ```mlir
        %past: … {onnx.state = {kind = "kv", length_axis = 2 : i64, present = "present_key.0"}, …}
      attributes {onnx.bindings = {t = "p + s"}, onnx.roles = {batch = "b", past = "p", seq = "s"}}
    ```
  }];
  let options = [
    ListOption<"pairs", "pairs", "std::string",
               "The states, as input:output, instead of those found by name">,
    Option<"none", "none", "bool", "false",
           "Mark no states: all inputs and outputs stay as they are">,
    ListOption<"bindings", "bindings", "std::string",
               "Names of dimensions as expressions over other names: "
               "total=past+seq (default: none)">
  ];
}

def ONNXSpecializeEntries : Pass<"onnx-specialize-entries", "::mlir::ModuleOp"> {
  let summary = "Make an entry for prefill and one for decode";
  let description = [{
    With states, `@main` becomes `@prefill`, and a copy of it `@decode`, where
    `onnx.bindings` holds seq = 1. Without states, or where the number of tokens
    of a call is fixed anyway (then there is `@prefill` alone), no copy is made.

    ```mlir
    func.func @main(…) attributes {onnx.bindings = {t = "p + s"}, onnx.roles = {seq = "s"}}
    ```
    becomes
    ```mlir
    func.func @prefill(…) attributes {onnx.bindings = {t = "p + s"}, onnx.roles = {seq = "s"}}
    func.func @decode(…) attributes {onnx.bindings = {s = "1", t = "p + s"}, onnx.roles = {seq = "s"}}
    ```
  }];
}

//===----------------------------------------------------------------------===//
// What exporters decompose: one pass per family. docs/raising.md
//===----------------------------------------------------------------------===//

def ONNXRaiseNorms : Pass<"onnx-raise-norms", "::mlir::func::FuncOp"> {
  let summary = "Raise decomposed norms to RMSNormalization and LayerNormalization";
  let description = [{
    The mean of squares over the last dimension, epsilon added, the root, and x
    divided by it: all constants and axes are checked, and nothing between may
    be used elsewhere. Casts from and to 16 bits around it, a scale per channel and,
    for LayerNormalization (x is y - mean(y)), a bias belong to it.

    Before:
    ```mlir
    %square = onnx.Pow(%x, %two) : (tensor<?x64xf32>, tensor<f32>) -> tensor<?x64xf32>
    %mean = onnx.ReduceMean(%square, %last) : (tensor<?x64xf32>, tensor<1xi64>) -> tensor<?x1xf32>
    %sum = onnx.Add(%mean, %epsilon) : (tensor<?x1xf32>, tensor<f32>) -> tensor<?x1xf32>
    %root = onnx.Sqrt(%sum) : (tensor<?x1xf32>) -> tensor<?x1xf32>
    %inverse = onnx.Reciprocal(%root) : (tensor<?x1xf32>) -> tensor<?x1xf32>
    %n = onnx.Mul(%x, %inverse) : (tensor<?x64xf32>, tensor<?x1xf32>) -> tensor<?x64xf32>
    %y = onnx.Mul(%w, %n) : (tensor<64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
    ```
    After:
    ```mlir
    %y = onnx.RMSNormalization(%x, %w) {epsilon = 9.99999997E-7 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
    ```
  }];
  let statistics = [
    Statistic<"numRaised", "num-raised", "norms raised">,
    Statistic<"numRefused", "num-refused", "means of squares that are no norm">
  ];
}

def ONNXRaiseAttention : Pass<"onnx-raise-attention", "::mlir::func::FuncOp"> {
  let summary = "Raise decomposed attention to Attention";
  let description = [{
    The softmax over the last dimension of a product of matrices, which is
    multiplied with the values. The constant scale may be on the scores, the
    queries or the keys, a soft cap on the scores; masks are added or chosen by
    Where. Key/value heads that Unsqueeze, Expand and Reshape repeat are read
    as they were, and keys and values that Concat appends to past ones make
    these operands, so that caches grow in place. A mask stays an operand until
    `hybrid-raise-masks`.

    Before:
    ```mlir
    %t = onnx.Transpose(%k) {perm = array<i64: 0, 1, 3, 2>} : (tensor<?x4x?x16xf32>) -> tensor<?x4x16x?xf32>
    %p = onnx.MatMul(%q, %t) : (tensor<?x4x?x16xf32>, tensor<?x4x16x?xf32>) -> tensor<?x4x?x?xf32>
    %c = onnx.Mul(%p, %scale) : (tensor<?x4x?x?xf32>, tensor<f32>) -> tensor<?x4x?x?xf32>
    %s = onnx.Add(%c, %mask) : (tensor<?x4x?x?xf32>, tensor<?x1x?x?xf32>) -> tensor<?x4x?x?xf32>
    %w = onnx.Softmax(%s) {axis = -1 : i64} : (tensor<?x4x?x?xf32>) -> tensor<?x4x?x?xf32>
    %y = onnx.MatMul(%w, %v) : (tensor<?x4x?x?xf32>, tensor<?x4x?x16xf32>) -> tensor<?x4x?x16xf32>
    ```
    After:
    ```mlir
    %y:4 = onnx.Attention(%q, %k, %v, %mask, %none, %none, %none) {scale = 2.500000e-01 : f32} : (…) -> (tensor<?x4x?x16xf32>, none, none, none)
    ```
  }];
  let statistics = [
    Statistic<"numRaised", "num-raised", "attentions raised">,
    Statistic<"numCaches", "num-caches", "attentions that took past keys and values as operands">,
    Statistic<"numRefused", "num-refused", "candidates that are no attention">
  ];
}

def ONNXRaiseConvs : Pass<"onnx-raise-convs", "::mlir::func::FuncOp"> {
  let summary = "Raise causal depthwise convolutions to CausalConvWithState";
  let description = [{
    A depthwise Conv over time, padded by K - 1 on the left or behind a Concat
    with past columns, of whose result as many columns are kept as there are
    inputs, each seeing the inputs up to its own. A bias that is added, the SiLU
    behind it and the Slice that keeps the last columns as the next call's past
    belong to it, so that the state is updated in place. A past wider than
    K - 1 makes the convolution longer by taps that are 0.

    Before:
    ```mlir
    %c = onnx.Conv(%x, %w, %b) {group = 64 : i64, kernel_shape = array<i64: 4>, pads = array<i64: 3, 3>} : (tensor<?x64x?xf32>, tensor<64x1x4xf32>, tensor<64xf32>) -> tensor<?x64x?xf32>
    %s = onnx.Slice(%c, %zero, %length, %two, %one) : (…) -> tensor<?x64x?xf32>
    %g = onnx.Sigmoid(%s) : (tensor<?x64x?xf32>) -> tensor<?x64x?xf32>
    %y = onnx.Mul(%s, %g) : (tensor<?x64x?xf32>, tensor<?x64x?xf32>) -> tensor<?x64x?xf32>
    ```
    After:
    ```mlir
    %y:2 = onnx.CausalConvWithState(%x, %w, %b, %none) {activation = "silu"} : (tensor<?x64x?xf32>, tensor<64x1x4xf32>, tensor<64xf32>, none) -> (tensor<?x64x?xf32>, tensor<?x64x3xf32>)
    ```
  }];
  let statistics = [
    Statistic<"numRaised", "num-raised", "convolutions raised">,
    Statistic<"numRefused", "num-refused", "depthwise convolutions that are not causal">
  ];
}

def ONNXRaiseRotary : Pass<"onnx-raise-rotary", "::mlir::func::FuncOp"> {
  let summary = "Raise decomposed rotary embeddings to RotaryEmbedding";
  let description = [{
    x · cos + Concat(-x2, x1) · sin, where both halves of cos and sin are
    the same, and Concat(x1 · cos - x2 · sin, x2 · cos + x1 · sin), for x
    [batch, heads, positions, channels] with the halves x1 and x2. Channels that a
    Concat appends unchanged belong to it. In the second form, x1 and x2 may be the
    even and the odd channels: if the results are stacked to pairs again, the
    embedding is interleaved; if they are written as halves, x gets a permutation
    of its channels in front.

    Before:
    ```mlir
    %x1 = onnx.Slice(%x, …) : (tensor<?x4x?x16xf32>, …) -> tensor<?x4x?x8xf32>
    %x2 = onnx.Slice(%x, …) : (tensor<?x4x?x16xf32>, …) -> tensor<?x4x?x8xf32>
    %n = onnx.Neg(%x2) : (tensor<?x4x?x8xf32>) -> tensor<?x4x?x8xf32>
    %r = onnx.Concat(%n, %x1) {axis = -1 : i64} : (tensor<?x4x?x8xf32>, tensor<?x4x?x8xf32>) -> tensor<?x4x?x16xf32>
    %c = onnx.Mul(%x, %cos) : (tensor<?x4x?x16xf32>, tensor<1x1x?x16xf32>) -> tensor<?x4x?x16xf32>
    %s = onnx.Mul(%r, %sin) : (tensor<?x4x?x16xf32>, tensor<1x1x?x16xf32>) -> tensor<?x4x?x16xf32>
    %y = onnx.Add(%c, %s) : (tensor<?x4x?x16xf32>, tensor<?x4x?x16xf32>) -> tensor<?x4x?x16xf32>
    ```
    After:
    ```mlir
    %y = onnx.RotaryEmbedding(%x, %cos, %sin, %none) {rotary_embedding_dim = 16 : i64} : (tensor<?x4x?x16xf32>, tensor<1x?x8xf32>, tensor<1x?x8xf32>, none) -> tensor<?x4x?x16xf32>
    ```
  }];
  let statistics = [
    Statistic<"numRaised", "num-raised", "rotary embeddings raised">,
    Statistic<"numRefused", "num-refused", "candidates that are no rotary embedding">
  ];
}

def ONNXRaiseSSD : Pass<"onnx-raise-ssd", "::mlir::func::FuncOp"> {
  let summary = "Raise chunked segment sums to LinearAttention";
  let description = [{
    Mamba-2's recurrence in its chunked form (Dao and Gu, arXiv 2405.21060, listing 1):
    time padded and cut into chunks, two segment sums, four contractions. The
    contractions may be Einsum, MatMul or Mul with ReduceSum, of two or more
    operands. It becomes com.microsoft's LinearAttention with the rule `gated`,
    which has no chunks: groups of B and C are read as they were, padding goes
    away, and any length works, also where an exporter has baked in the number
    of chunks.

    Before:
    ```mlir
    %L = onnx.Exp(%segsum) : (tensor<?x4x?x16x16xf32>) -> tensor<?x4x?x16x16xf32>
    %d = onnx.Einsum(%C, %B, %L, %X) {equation = "bclhn,bcshn,bhcls,bcshp->bclhp"} : (…) -> tensor<?x?x16x4x32xf32>
    …
    %o = onnx.Einsum(%C, %states, %decay) {equation = "bclhn,bchpn,bhcl->bclhp"} : (…) -> tensor<?x?x16x4x32xf32>
    %y = onnx.Add(%d, %o) : (tensor<?x?x16x4x32xf32>, tensor<?x?x16x4x32xf32>) -> tensor<?x?x16x4x32xf32>
    ```
    After:
    ```mlir
    %y:2 = onnx.ms.LinearAttention(%c, %b, %x, %none, %a, %none) {kv_num_heads = 4 : i64, q_num_heads = 1 : i64, scale = 1.000000e+00 : f32, update_rule = "gated"} : (…) -> (tensor<?x?x128xf32>, tensor<?x4x16x32xf32>)
    ```
  }];
  let statistics = [
    Statistic<"numRaised", "num-raised", "recurrences raised">,
    Statistic<"numRefused", "num-refused", "segment sums that are no recurrence">
  ];
}

def ONNXRaiseSteps : Pass<"onnx-raise-steps", "::mlir::func::FuncOp"> {
  let summary = "Raise the unrolled steps of a recurrence to LinearAttention";
  let description = [{
    A chain of steps of LinearAttention, one for each position of its operands in
    order: what a loop over time becomes that an exporter unrolls, and the one step
    of a decoder. Each decays the state and adds the product of a key and a value
    (Mamba-1 and 2, gated linear attention), or what the delta rule adds; and sums
    the product of the state and a query. The steps become com.microsoft's
    LinearAttention with the rule `gated`, `delta` or `gated_delta`. Mamba-1 is a
    head for each channel, a decay for each channel and state, values of one
    element, and key and query that all heads share.

    Before:
    ```mlir
    %a = onnx.Gather(%decay, %i) {axis = 1 : i64} : (tensor<?x19x128x16xf32>, tensor<i64>) -> tensor<?x128x16xf32>
    %x = onnx.Gather(%input, %i) {axis = 1 : i64} : (tensor<?x19x128x16xf32>, tensor<i64>) -> tensor<?x128x16xf32>
    %p = onnx.Mul(%a, %s) : (tensor<?x128x16xf32>, tensor<?x128x16xf32>) -> tensor<?x128x16xf32>
    %s1 = onnx.Add(%p, %x) : (tensor<?x128x16xf32>, tensor<?x128x16xf32>) -> tensor<?x128x16xf32>
    %c = onnx.Gather(%C, %i) {axis = 1 : i64} : (tensor<?x19x16xf32>, tensor<i64>) -> tensor<?x16xf32>
    %y = onnx.Einsum(%s1, %c) {equation = "bdn,bn->bd"} : (tensor<?x128x16xf32>, tensor<?x16xf32>) -> tensor<?x128xf32>
    ```
    After, once for all positions:
    ```mlir
    %y:2 = onnx.ms.LinearAttention(%C, %B, %x, %s, %logarithms, %none) {kv_num_heads = 128 : i64, q_num_heads = 1 : i64, scale = 1.000000e+00 : f32, update_rule = "gated"} : (…) -> (tensor<?x19x128xf32>, tensor<?x128x16x1xf32>)
    ```
  }];
  let statistics = [
    Statistic<"numRaised", "num-raised", "recurrences raised">,
    Statistic<"numRefused", "num-refused", "first steps of what is no recurrence">
  ];
}

def ONNXRaiseMoE : Pass<"onnx-raise-moe", "::mlir::func::FuncOp"> {
  let summary = "Raise mixtures of experts to ExpertMatMul";
  let description = [{
    A sum over all experts of what they make of a row, times the weight of a
    chosen one or 0, and products with matrices that are gathered for each row.
    Only the chosen experts are computed then, and no matrix is copied. How the
    router chooses and weighs them doesn't matter.

    Matrices must be slices of one stack, the whole of it, or tensors of the file,
    which are put one behind another then; experts may be made of products and
    elementwise operators, alike but for the matrices and biases.

    Routers become Route: top-k of logits, softmax or sigmoid, with a bias, limited
    to groups or not, and weights that are scores, shares or a softmax.

    Before:
    ```mlir
    %v, %i = onnx.TopK(%scores, %k) : (tensor<?x4xf32>, tensor<1xi64>) -> (tensor<?x2xf32>, tensor<?x2xi64>)
    %m0 = onnx.Gather(%w, %zero) : (tensor<4x64x64xf32>, tensor<i64>) -> tensor<64x64xf32>
    %y0 = onnx.MatMul(%x, %m0) : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
    %e0 = onnx.Equal(%i, %zero) : (tensor<?x2xi64>, tensor<i64>) -> tensor<?x2xi1>
    %c0 = onnx.Cast(%e0) {to = 1 : i64} : (tensor<?x2xi1>) -> tensor<?x2xf32>
    %p0 = onnx.Mul(%v, %c0) : (tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x2xf32>
    %s0 = onnx.ReduceSum(%p0, %last) : (tensor<?x2xf32>, tensor<1xi64>) -> tensor<?x1xf32>
    %t0 = onnx.Mul(%y0, %s0) : (tensor<?x64xf32>, tensor<?x1xf32>) -> tensor<?x64xf32>
    …
    %y = onnx.Add(%t012, %t3) : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
    ```
    After:
    ```mlir
    %e = onnx.Reshape(%i, %all) : (tensor<?x2xi64>, tensor<1xi64>) -> tensor<?xi64>
    %m = onnx.ExpertMatMul(%x, %w, %e) {chosen = 2 : i64, transposed} : (tensor<?x64xf32>, tensor<4x64x64xf32>, tensor<?xi64>) -> tensor<?x64xf32>
    %r = onnx.Reshape(%m, …) : (tensor<?x64xf32>, tensor<3xi64>) -> tensor<?x2x64xf32>
    %f = onnx.Reshape(%v, …) : (tensor<?x2xf32>, tensor<3xi64>) -> tensor<?x1x2xf32>
    %y = onnx.MatMul(%f, %r) : (tensor<?x1x2xf32>, tensor<?x2x64xf32>) -> tensor<?x1x64xf32>
    ```
  }];
  let statistics = [
    Statistic<"numRaised", "num-raised", "parts of mixtures raised">,
    Statistic<"numRefused", "num-refused", "candidates that stay as they are">
  ];
}

def ONNXRaiseDeltaRule : Pass<"onnx-raise-delta-rule", "::mlir::func::FuncOp"> {
  let summary = "Raise the chunked gated delta rule to LinearAttention";
  let description = [{
    The gated delta rule in chunks (Yang et al., arXiv 2412.06464), as transformers
    writes it for an exporter: in each chunk, the inverse of a unit triangular
    matrix by forward substitution, a row at a time and unrolled; then the chunks
    one after another, unrolled, too. It becomes com.microsoft's LinearAttention
    with the rule `gated_delta`, which has no chunks. What is computed per head and
    position in front (an L2 norm, the scale) goes before the transpose, and before
    the repetition of key heads.

    Before:
    ```mlir
    %T = onnx.Add(%substituted, %identity) : (tensor<?x4x2x64x64xf32>, tensor<64x64xf32>) -> tensor<?x4x2x64x64xf32>
    %u = onnx.MatMul(%T, %weighted) : (tensor<?x4x2x64x64xf32>, tensor<?x4x2x64x24xf32>) -> tensor<?x4x2x64x24xf32>
    …
    %new = onnx.Sub(%u0, %read) : (tensor<?x4x64x24xf32>, tensor<?x4x64x24xf32>) -> tensor<?x4x64x24xf32>
    %inside = onnx.MatMul(%scores, %new) : (tensor<?x4x64x64xf32>, tensor<?x4x64x24xf32>) -> tensor<?x4x64x24xf32>
    %y = onnx.Add(%before, %inside) : (tensor<?x4x64x24xf32>, tensor<?x4x64x24xf32>) -> tensor<?x4x64x24xf32>
    ```
    After:
    ```mlir
    %y:2 = onnx.ms.LinearAttention(%q, %k, %v, %none, %g, %beta) {kv_num_heads = 4 : i64, q_num_heads = 4 : i64, scale = 1.000000e+00 : f32, update_rule = "gated_delta"} : (…) -> (tensor<?x?x96xf32>, tensor<?x4x12x24xf32>)
    ```
  }];
  let statistics = [
    Statistic<"numRaised", "num-raised", "recurrences raised">,
    Statistic<"numRefused", "num-refused", "inverses that are no recurrence">
  ];
}

def ONNXRaiseLoops : Pass<"onnx-raise-loops", "::mlir::func::FuncOp"> {
  let summary = "Raise recurrences in Scan and Loop to LinearAttention";
  let description = [{
    A Scan, or a Loop that gathers the positions of its operands one after another,
    that carries one state, and whose body is a step of LinearAttention: the state
    decayed, or as it was, plus the product of a key and a value, or by the delta
    rule; and the next state times a query, summed. It becomes com.microsoft's
    LinearAttention with the rule of the step: `linear`, `gated`, `delta`, or
    `gated_delta`. Everything else in the body is computed for all positions at
    once.

    Before:
    ```mlir
    %r:2 = onnx.Scan(%s, %g, %k, %v, %q) {num_scan_inputs = 4 : i64} : (…) -> (tensor<?x4x16x32xf32>, tensor<?x?x4x32xf32>) {
    ^bb0(%S: tensor<?x4x16x32xf32>, %gi: tensor<?x4x1x1xf32>, %ki: tensor<?x4x16x1xf32>, %vi: tensor<?x4x1x32xf32>, %qi: tensor<?x4x16xf32>):
      %d = onnx.Exp(%gi) : (tensor<?x4x1x1xf32>) -> tensor<?x4x1x1xf32>
      %D = onnx.Mul(%S, %d) : (tensor<?x4x16x32xf32>, tensor<?x4x1x1xf32>) -> tensor<?x4x16x32xf32>
      %kv = onnx.Mul(%ki, %vi) : (tensor<?x4x16x1xf32>, tensor<?x4x1x32xf32>) -> tensor<?x4x16x32xf32>
      %n = onnx.Add(%D, %kv) : (tensor<?x4x16x32xf32>, tensor<?x4x16x32xf32>) -> tensor<?x4x16x32xf32>
      %y = onnx.Einsum(%n, %qi) {equation = "bhkv,bhk->bhv"} : (tensor<?x4x16x32xf32>, tensor<?x4x16xf32>) -> tensor<?x4x32xf32>
      onnx.Yield(%n, %y) : tensor<?x4x16x32xf32>, tensor<?x4x32xf32>
    }
    ```
    After:
    ```mlir
    %y:2 = onnx.ms.LinearAttention(%queries, %keys, %values, %s, %logarithms, %none) {kv_num_heads = 4 : i64, q_num_heads = 4 : i64, scale = 1.000000e+00 : f32, update_rule = "gated"} : (…) -> (tensor<?x?x128xf32>, tensor<?x4x16x32xf32>)
    ```
  }];
  let statistics = [
    Statistic<"numRaised", "num-raised", "recurrences raised">,
    Statistic<"numRefused", "num-refused", "Scans and Loops that are no recurrence">
  ];
}

#endif // HYBRID_DIALECT_ONNX_PASSES_TD
