//===- Passes.td - level 2 to level 3 ----------------------*- tablegen -*-===//

#ifndef HYBRID_SCHEDULE_PASSES_TD
#define HYBRID_SCHEDULE_PASSES_TD

include "mlir/Pass/PassBase.td"

def RaiseMasksPass : Pass<"hybrid-raise-masks", "::mlir::func::FuncOp"> {
  let summary = "Turns computed masks of attention into attributes";
  let description = [{
    A boolean mask that only compares the positions of query and key says what
    `causal`, `window_left` and `sink_prefix` can say. Then nothing of size
    T × n is stored, keys outside of the window are not visited, and sequences
    can have positions of their own (`hybrid-per-sequence-positions`).

    Where something is also said of keys alone, as by an input attention_mask
    that marks padding, a mask of shape [batch, 1, 1, n] is left for that. Comparing
    running sums of such an input is comparing positions, if no element is
    negative: the input gets a range that the runtime checks.

    Before:
    ```mlir
    %mask = linalg.generic … { … (q_offset + i) - j < 8 or j < 2 … } -> tensor<?x?xi1>
    %r = hybrid.attention ins(%q, %k, %v : …) mask(%mask : tensor<?x?xi1>) kv_length(%n) q_offset(%p) outs(%o : …) {causal, …} -> …
    ```
    After:
    ```mlir
    %r = hybrid.attention ins(%q, %k, %v : …) kv_length(%n) q_offset(%p) outs(%o : …) {causal, window_left = 7 : i64, sink_prefix = 2 : i64, …} -> …
    ```
  }];
  let statistics = [
    Statistic<"numRaised", "num-raised", "masks that became attributes">,
    Statistic<"numKeyMasks", "num-key-masks", "masks of which one of keys alone is left">,
    Statistic<"numRefused", "num-refused", "masks that stay as they are">
  ];
}

def RaiseGatedNormsPass : Pass<"hybrid-raise-gated-norms", "::mlir::func::FuncOp"> {
  let summary = "Takes the gate beside a norm into it";
  let description = [{
    A root-mean-square norm of y · silu(z), or one whose result alone is
    multiplied by silu(z) or sigmoid(z), becomes `hybrid.gated_norm`; in front also
    where the norm goes over groups of the last dimension, with a scale per
    channel behind. Nothing between may be used elsewhere. Rounding to 16 bits
    between the steps is left out.

    Before:
    ```mlir
    %s = linalg.generic … ins(%z : tensor<1x?x128xf32>) { 1 / (1 + exp(-z)) } …
    %g = linalg.generic … ins(%z, %s : …) { mulf } …
    %x = linalg.generic … ins(%y, %g : …) { mulf } …
    %r = hybrid.norm rms ins(%x : tensor<1x?x128xf32>) scale(%w : tensor<128xf32>) outs(%o : tensor<1x?x128xf32>) {axis = 2 : i64, epsilon = 1.0e-5 : f64} -> tensor<1x?x128xf32>
    ```
    After:
    ```mlir
    %r = hybrid.gated_norm gate_first ins(%y, %z : tensor<1x?x128xf32>, tensor<1x?x128xf32>) scale(%w : tensor<128xf32>) outs(%o : tensor<1x?x128xf32>) {activation = #hybrid.activation<silu>, epsilon = 1.0e-5 : f64} -> tensor<1x?x128xf32>
    ```
  }];
  let statistics = [
    Statistic<"numRaised", "num-raised", "norms that took a gate">
  ];
}

def RaiseBranchesPass : Pass<"hybrid-raise-branches", "::mlir::func::FuncOp"> {
  let summary = "Finds branches that could run side by side";
  let description = [{
    A sum, difference, mean or concatenation of tensors, each of which depends on
    an attention, scan or causal convolution that no other depends on, becomes
    `hybrid.parallel`. A branch holds all that only its tensor depends on: its
    projections, norms and factors. What is used elsewhere, like new states,
    becomes a further result. Factors of all branches, numbers or vectors over
    the last dimension, become the weights of `weighted`.

    Before:
    ```mlir
    %h = hybrid.norm rms ins(%x : …) …
    %a = … hybrid.attention … // computed from %h
    %s = … hybrid.scan …      // computed from %h
    %r = linalg.generic … ins(%a, %s : tensor<1x?x64xf32>, tensor<1x?x64xf32>) { addf } …
    hybrid.write_state %state, @past_recurrent : …
    ```
    After:
    ```mlir
    %h = hybrid.norm rms ins(%x : …) …
    %r, %keys, %state = hybrid.parallel add {
      %a = … hybrid.attention …
      hybrid.yield %a, %keys_1 : …
    }, {
      %s = … hybrid.scan …
      hybrid.yield %s, %state_1 : …
    } : tensor<1x?x64xf32>, …
    hybrid.write_state %state, @past_recurrent : …
    ```
  }];
  let statistics = [
    Statistic<"numRaised", "num-raised", "combinations of branches found">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
}

def PerSequencePositionsPass : Pass<"hybrid-per-sequence-positions", "::mlir::ModuleOp"> {
  let summary = "Gives each sequence of a call a position of its own";
  let description = [{
    The symbol with the role `past` is one number for all sequences of a call.
    Where it only says at which position `hybrid.cache_append` writes and which
    keys `hybrid.attention` sees, each entry gets one more parameter, last and
    with the role `positions`: the position of each sequence before the call,
    which the runtime fills. `past` is then that of the longest.

    Before:
    ```mlir
    func.func @decode(…) -> … attributes {hybrid.entry} {
      %past = hybrid.dim "past"
      %n = affine.apply affine_map<()[s0] -> (s0 + 1)>()[%past]
      %k1 = hybrid.cache_append ins(%k : …) at(%past) outs(%k0 : …) -> …
      %a = hybrid.attention ins(%q, %k1, %v1 : …) kv_length(%n) q_offset(%past) outs(%o : …) {causal, …} -> …
    ```
    After:
    ```mlir
    func.func @decode(…, %positions: tensor<?xi64> {hybrid.dims = ["batch"], hybrid.name = "$positions", hybrid.role = "positions"}) -> … {
      %k1 = hybrid.cache_append ins(%k : …) at(%zero) positions(%positions : tensor<?xi64>) outs(%k0 : …) -> …
      %lengths = linalg.generic … ins(%positions : …) { … addi %in, %one … }
      %a = hybrid.attention ins(%q, %k1, %v1 : …) lengths(%lengths : tensor<?xi64>) kv_length(%n) q_offset(%zero) outs(%o : …) {causal, …} -> …
    ```

    All entries are rewritten or none, because they share one list of inputs. A
    use that has no such form (a mask computed from `past`, positions computed
    from it, an input as long as the longest) leaves them as they are, with a
    remark at the use. One such input is fine: an attention mask whose columns
    are only added up, because the runtime fills what is behind a sequence's own
    columns with zeros, or become a mask of keys, which are the same positions.
  }];
  let statistics = [
    Statistic<"numEntries", "num-entries", "entries with a position for each sequence">
  ];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"
  ];
}

def WindowRingsPass : Pass<"hybrid-window-rings", "::mlir::ModuleOp"> {
  let summary = "Keeps of a cache only what windows of attention see";
  let description = [{
    A state of kind `kv` that all entries only append to, and that only attention
    with one `window_left` and `sink_prefix` sees, becomes one of kind
    `kv_window`: a ring of window_left + 1 positions behind the first
    sink_prefix, whatever the context's length. The attention of a single query
    sees the ring after the append, in which all is visible; with more queries
    `hybrid.ring_read` puts what was kept before the new positions.

    Before:
    ```mlir
    hybrid.state @key kv present "present_key" length_axis 2 : tensor<?x2x512x16xf32>
    …
    %k0 = hybrid.read_state @key : tensor<?x2x512x16xf32>
    %k1 = hybrid.cache_append ins(%k : tensor<?x2x1x16xf32>) at(%zero) positions(%p : tensor<?xi64>) outs(%k0 : …) -> tensor<?x2x512x16xf32>
    %a = hybrid.attention ins(%q, %k1, %v1 : …) lengths(%n : tensor<?xi64>) kv_length(%length) q_offset(%zero) outs(%o : …) {causal, window_left = 7 : i64, sink_prefix = 2 : i64, …} -> …
    ```
    After:
    ```mlir
    hybrid.state @key kv_window present "present_key" length_axis 2 sink_prefix 2 capacity 512 : tensor<?x2x10x16xf32>
    …
    %k0 = hybrid.read_state @key : tensor<?x2x10x16xf32>
    %k1 = hybrid.cache_append ins(%k : tensor<?x2x1x16xf32>) at(%zero) positions(%p : tensor<?xi64>) outs(%k0 : …) {ring, sink_prefix = 2 : i64} -> tensor<?x2x10x16xf32>
    %least = linalg.generic … ins(%p : …) { … minsi %in, %nine … addi … %one … }
    %a = hybrid.attention ins(%q, %k1, %v1 : …) lengths(%least : tensor<?xi64>) kv_length(%ten) q_offset(%zero) outs(%o : …) {…} -> …
    ```

    A use that does not allow it (the sequences share one position, a mask, an
    output of the whole cache) leaves the state as it is, with a remark.
  }];
  let statistics = [
    Statistic<"numRings", "num-rings", "states that became rings">
  ];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect"
  ];
}

def ChooseBranchFormsPass : Pass<"hybrid-choose-branch-forms", "::mlir::func::FuncOp"> {
  let summary = "Chooses how branches run";
  let description = [{
    Gives each `hybrid.parallel` that has none the form of the option, or, if that
    is auto, the form that is the fastest where it was measured: parallel.

    Before:
    ```mlir
    %r = hybrid.parallel add { … }, { … } : tensor<1x?x64xf32>
    ```
    After:
    ```mlir
    %r = hybrid.parallel add { … }, { … } {form = #hybrid.branch_form<parallel>} : tensor<1x?x64xf32>
    ```
  }];
  let options = [
    Option<"form", "form", "std::string", "\"auto\"",
           "auto, sequential, merged or parallel">
  ];
  let statistics = [
    Statistic<"numChosen", "num-chosen", "operations that got a form">
  ];
}

def MergeProjectionsPass : Pass<"hybrid-merge-projections", "::mlir::func::FuncOp"> {
  let summary = "Makes one product of those of several branches";
  let description = [{
    Where branches of a `hybrid.parallel` of form merged multiply the same input by
    weights, their weights side by side (`hybrid.concat_weights`) give all products
    at once. Where a sum of branches is one of products with weights, the
    branches' rows side by side are multiplied by the weights one below another.
    A bias, norm or factor per channel between product and sum prevents that, with
    a remark.

    Before:
    ```mlir
    %r = hybrid.parallel add {
      %q = linalg.generic … ins(%x, %wq : tensor<?x64xf32>, tensor<64x32xf32>) { … x · w … }
      …
      %o = linalg.generic … ins(%a, %wo : tensor<?x32xf32>, tensor<32x64xf32>) …
      hybrid.yield %o : tensor<?x64xf32>
    }, {
      %s = linalg.generic … ins(%x, %ws : tensor<?x64xf32>, tensor<64x96xf32>) …
      …
      %p = linalg.generic … ins(%y, %wp : tensor<?x48xf32>, tensor<48x64xf32>) …
      hybrid.yield %p : tensor<?x64xf32>
    } {form = #hybrid.branch_form<merged>} : tensor<?x64xf32>
    ```
    After:
    ```mlir
    %w = hybrid.concat_weights %wq, %ws {axis = 1 : i64} : …
    %qs = linalg.generic … ins(%x, %w : tensor<?x64xf32>, tensor<64x128xf32>) …
    %q = tensor.extract_slice %qs[0, 0] [%n, 32] [1, 1] : …
    %s = tensor.extract_slice %qs[0, 32] [%n, 96] [1, 1] : …
    %ay = hybrid.parallel concat {
      …
      hybrid.yield %a : tensor<?x32xf32>
    }, {
      …
      hybrid.yield %y : tensor<?x48xf32>
    } {form = #hybrid.branch_form<merged>} : tensor<?x80xf32>
    %u = hybrid.concat_weights %wo, %wp {axis = 0 : i64} : …
    %r = linalg.generic … ins(%ay, %u : tensor<?x80xf32>, tensor<80x64xf32>) …
    ```
  }];
  let statistics = [
    Statistic<"numInputs", "num-inputs", "products of a shared input merged">,
    Statistic<"numOutputs", "num-outputs", "products merged with their sum">
  ];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::tensor::TensorDialect"
  ];
}

def FoldDataMovementPass : Pass<"hybrid-fold-data-movement", "::mlir::func::FuncOp"> {
  let summary = "Lets operations read what transpositions and repetitions make a copy of";
  let description = [{
    A causal convolution between transpositions of tokens and channels takes the
    layout `btc`; keys and queries of a scan that are one head repeated for a
    group of heads are that head; a norm whose result is collapsed to rows
    is computed on rows.

    Before:
    ```mlir
    %t = linalg.generic … ins(%x : tensor<1x?x192xf32>) outs(… : tensor<1x192x?xf32>) … // transposes
    %y, %s1 = hybrid.causal_conv ins(%t, %w : tensor<1x192x?xf32>, tensor<192x4xf32>) outs(%o, %s0 : …) -> …
    %r = linalg.generic … ins(%y : tensor<1x192x?xf32>) outs(… : tensor<1x?x192xf32>) … // transposes
    ```
    After:
    ```mlir
    %r, %s1 = hybrid.causal_conv ins(%x, %w : tensor<1x?x192xf32>, tensor<192x4xf32>) outs(%o, %s0 : …) {layout = #hybrid.conv_layout<btc>} -> …
    ```
  }];
  let statistics = [
    Statistic<"numFolded", "num-folded", "operations that no longer need data moved">
  ];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
}

def FuseElementwisePass : Pass<"hybrid-fuse-elementwise", "::mlir::func::FuncOp"> {
  let summary = "Merges elementwise, broadcast and transpose operations into their consumers";
  let description = [{
    A `linalg.generic` without reductions moves into its consumer when it is
    used once, or when it only moves data (broadcast, transpose), so that no
    repeated KV head and no broadcast is ever stored. A producer that computes
    does not move into a contraction (its work would be repeated per output
    column), nor where it would be evaluated more often than it is now.

    Before:
    ```mlir
    %e = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0, d1)>], iterator_types = ["parallel", "parallel"]}
        ins(%b : tensor<64xf32>) outs(%i : tensor<?x64xf32>) { … yield } -> tensor<?x64xf32>
    %r = linalg.generic … ins(%x, %e : tensor<?x64xf32>, tensor<?x64xf32>) … { addf } …
    ```
    After: one `linalg.generic` that reads %b through `(d0, d1) -> (d1)`.
  }];
  let statistics = [
    Statistic<"numFused", "num-fused", "producers merged into a consumer">
  ];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::linalg::LinalgDialect"];
}

def ChooseScanFormsPass : Pass<"hybrid-choose-scan-forms", "::mlir::func::FuncOp"> {
  let summary = "Chooses in which form each scan is computed";
  let description = [{
    Every `hybrid.scan` without a form gets one: what the option names, or, with
    `auto`, what a cost model expects to be fastest for the heads' sizes, rule and
    number of steps. The chunk is the cheapest of several lengths unless the
    option or the sizes say otherwise. Where the number of steps is dynamic, the
    choice for long sequences is taken and `sequential_below` says up to how many
    steps the kernel computes one after the other instead: the number from which a
    chunk, whose cost does not depend on how many of its steps are used, is cheaper.
    A form that a scan does not have (C11, C12) is replaced by `sequential`, with a remark.

    Before:
    ```mlir
    %y, %s1 = hybrid.scan gated ins(%q, %k, %v : …) decay(%g : …) outs(%o, %s0 : …) {scale = 1.0 : f64} -> …
    ```
    After:
    ```mlir
    %y, %s1 = hybrid.scan gated ins(%q, %k, %v : …) decay(%g : …) outs(%o, %s0 : …) {chunk = 16 : i64, form = #hybrid.scan_form<chunked>, scale = 1.0 : f64, sequential_below = 13 : i64} -> …
    ```
  }];
  let options = [
    Option<"form", "form", "std::string", "\"auto\"",
           "auto, sequential, chunked or associative">,
    Option<"chunk", "chunk", "int64_t", "0", "steps of a chunk; 0: the cheapest">
  ];
  let statistics = [
    Statistic<"numSequential", "num-sequential", "scans in sequential form">,
    Statistic<"numChunked", "num-chunked", "scans in chunked form">,
    Statistic<"numAssociative", "num-associative", "scans in associative form">
  ];
}

def PackWeightsPass : Pass<"hybrid-pack-weights", "::mlir::ModuleOp"> {
  let summary = "Stores weights in the order in which products read them";
  let description = [{
    Weights that are only multiplied, in all entries and in the same order, are
    stored in panels of columns, each contiguous, and their products become
    `hybrid.matmul`.

    Weights of which the file has integers (`hybrid.dequantize_weight`) keep them.
    With `quantize` other weights become integers, too, in blocks of 32 rows with
    scales of f16, if they have 16,384 numbers or more.

    Before:
    ```mlir
    %w = hybrid.weight "wq" from "model.onnx"[0, 20480] : tensor<64x80xf32>
    %z = linalg.fill ins(%zero : f32) outs(%o : tensor<?x80xf32>) -> tensor<?x80xf32>
    %r = linalg.generic … ins(%x, %w : tensor<?x64xf32>, tensor<64x80xf32>) outs(%z : tensor<?x80xf32>) { … x · w … }
    ```
    After:
    ```mlir
    %w = hybrid.weight "wq" from "model.onnx"[0, 20480] : tensor<64x80xf32>
    %p = hybrid.pack_weights %w : tensor<64x80xf32> -> tensor<3x64x32xf32>
    %r = hybrid.matmul ins(%x, %p : tensor<?x64xf32>, tensor<3x64x32xf32>) outs(%o : tensor<?x80xf32>) -> tensor<?x80xf32>
    ```
  }];
  let options = [
    Option<"panel", "panel", "int64_t", "32", "columns of a panel">,
    Option<"quantize", "quantize", "std::string", "\"none\"",
           "what weights become: none (as they are), q8 or q4">
  ];
  let statistics = [
    Statistic<"numPacked", "num-packed", "weights that are stored in panels">,
    Statistic<"numQuantized", "num-quantized", "quantised weights among them">
  ];
}

def ExpandWeightsPass : Pass<"hybrid-expand-weights", "::mlir::func::FuncOp"> {
  let summary = "Computes the numbers of quantised weights that are not packed";
  let description = [{
    What `hybrid-pack-weights` has left of `hybrid.dequantize_weight`, since something
    else than products reads it, is computed when the model runs.

    Before:
    ```mlir
    %w = hybrid.dequantize_weight %q scales %s {axis = 1 : i64, bits = 8 : i64, block = 32 : i64, is_signed} : (tensor<64x128xi8>, tensor<64x4xf32>) -> tensor<64x128xf32>
    ```
    After:
    ```mlir
    %w = linalg.generic … outs(%e : tensor<64x128xf32>) { … tensor.extract %q … tensor.extract %s … } -> tensor<64x128xf32>
    ```
  }];
  let statistics = [
    Statistic<"numExpanded", "num-expanded", "weights that are computed">
  ];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::tensor::TensorDialect"
  ];
}

def PackRowsPass : Pass<"hybrid-pack-rows", "::mlir::ModuleOp"> {
  let summary = "Brings rows into the tiles that matrix units multiply";
  let description = [{
    For CPUs with matrix units (AMX). Where a sequence brings as many rows as a
    tile has, or more, products with weights in panels read their rows in tiles
    of bfloat16: numbers of f32 as three pieces, of f16 as two, so that nothing
    is lost. Products of the same rows share them.

    Before:
    ```mlir
    %r = hybrid.matmul ins(%x, %w : tensor<?x64xf32>, tensor<3x64x32xf32>) outs(%o : tensor<?x80xf32>) -> tensor<?x80xf32>
    ```
    After:
    ```mlir
    %t = hybrid.pack_rows ins(%x : tensor<?x64xf32>) outs(%e : tensor<?x2x6x16x32xbf16>) -> tensor<?x2x6x16x32xbf16>
    %r = hybrid.matmul ins(%t, %w : tensor<?x2x6x16x32xbf16>, tensor<3x64x32xf32>) outs(%o : tensor<?x80xf32>) -> tensor<?x80xf32>
    ```
  }];
  let statistics = [
    Statistic<"numPacked", "num-packed", "products of rows in tiles">
  ];
  let dependentDialects = ["::mlir::affine::AffineDialect"];
}

def FormKernelsPass : Pass<"hybrid-form-kernels", "::mlir::ModuleOp"> {
  let summary = "Moves all work of the entries into kernels, equal ones once";
  let description = [{
    Every operation of an entry that computes on tensors, with the operations
    that initialise its destination, becomes a function with the attribute
    `hybrid.kernel`, and a `hybrid.launch` of it. A contraction takes the
    elementwise operation that alone consumes it along (epilogue). In an entry
    whose sizes depend on the batch only, norms, rotations and elementwise
    operations all of whose users can take them are computed by the users' blocks
    (prologue): again for each block of columns, which is less than a launch and
    a trip through memory. Kernels are
    compared by their text: layers that differ only in weights share them.

    Before:
    ```mlir
    %r = hybrid.norm rms ins(%x : tensor<?x64xf32>) scale(%w : tensor<64xf32>) outs(%e : tensor<?x64xf32>) {axis = 1 : i64, epsilon = 1.0e-5 : f64} -> tensor<?x64xf32>
    ```
    After:
    ```mlir
    %r = hybrid.launch @norm_0 ins(%x, %w : tensor<?x64xf32>, tensor<64xf32>) outs(%e : tensor<?x64xf32>) -> tensor<?x64xf32>
    …
    func.func private @norm_0(%x: tensor<?x64xf32>, %w: tensor<64xf32>, %o: tensor<?x64xf32> {hybrid.writeonly}) -> tensor<?x64xf32> attributes {hybrid.kernel} { … }
    ```
  }];
  let options = [
    Option<"fuseEpilogues", "fuse-epilogues", "bool", "true",
           "let contractions take their elementwise consumer along">,
    Option<"fusePrologues", "fuse-prologues", "bool", "true",
           "in entries of one token, let blocks compute norms and gates themselves">
  ];
  let statistics = [
    Statistic<"numLaunches", "num-launches", "launches in all entries">,
    Statistic<"numKernels", "num-kernels", "different kernels">,
    Statistic<"numEpilogues", "num-epilogues", "consumers fused behind a contraction">,
    Statistic<"numPrologues", "num-prologues", "kernels whose blocks compute what they read">
  ];
  let dependentDialects = ["::mlir::func::FuncDialect", "::hybrid::HybridDialect"];
}

def GroupLaunchesPass : Pass<"hybrid-group-launches", "::mlir::ModuleOp"> {
  let summary = "Finds launches that do not depend on each other and puts them side by side";
  let description = [{
    Launches of an entry are ordered anew: each moves up to the first group that
    stands behind everything it needs. Those of a group get the same
    `hybrid.group` and become one launch on level 4
    (`hybrid-merge-launches`): the projections of one input, branches of a layer.

    Before:
    ```mlir
    %q = hybrid.launch @matmul_0 ins(%x, %wq : …) outs(…) -> …
    %q1 = hybrid.launch @rope_0 ins(%q : …) outs(…) -> …
    %k = hybrid.launch @matmul_0 ins(%x, %wk : …) outs(…) -> …
    ```
    After:
    ```mlir
    %q = hybrid.launch @matmul_0 ins(%x, %wq : …) outs(…) {hybrid.group = 0 : i64} -> …
    %k = hybrid.launch @matmul_0 ins(%x, %wk : …) outs(…) {hybrid.group = 0 : i64} -> …
    %q1 = hybrid.launch @rope_0 ins(%q : …) outs(…) -> …
    ```
  }];
  let options = [
    Option<"maxParts", "max-parts", "unsigned", "8", "most launches in a group">,
    Option<"window", "window", "unsigned", "12",
           "groups that a launch may move up; buffers live longer by as much">
  ];
  let statistics = [
    Statistic<"numGroups", "num-groups", "groups of more than one launch">,
    Statistic<"numGrouped", "num-grouped", "launches in them">
  ];
}

#endif // HYBRID_SCHEDULE_PASSES_TD
