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

#endif // HYBRID_DIALECT_ONNX_PASSES_TD
