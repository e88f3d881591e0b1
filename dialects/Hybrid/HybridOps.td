//===- HybridOps.td - operations of hybrid models ----------*- tablegen -*-===//
//
// The computations: attention, scan, causal convolution, rotary embedding,
// norms, cache append, experts, parallel branches. States, weights,
// symbols and launches are in HybridProgramOps.td.
//
// All are in destination style: `outs` operands give the result's shape and
// type, and after bufferisation its buffer. An `outs` operand whose description
// says "in place" is also read.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_OPS_TD
#define HYBRID_OPS_TD

include "dialects/Hybrid/HybridDialect.td"
include "dialects/Hybrid/HybridAttributes.td"
include "dialects/Hybrid/HybridInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/TilingInterface.td"

def Hybrid_Shaped : AnyTypeOf<[AnyRankedTensor, AnyStridedMemRef],
                              "ranked tensor or strided memref",
                              "::mlir::ShapedType">;

class Hybrid_Op<string mnemonic, list<Trait> traits = []>
    : Op<Hybrid_Dialect, mnemonic, traits>;

/// A computation in destination style with one result per `outs` operand on
/// tensors and none on memrefs.
class Hybrid_ComputeOp<string mnemonic, list<Trait> traits = []>
    : Hybrid_Op<mnemonic, traits # [
        DestinationStyleOpInterface,
        DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
        DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface,
          ["reifyResultShapes"]>,
        DeclareOpInterfaceMethods<TilingInterface,
          ["getLoopIteratorTypes", "getIterationDomain",
           "getTiledImplementation", "getResultTilePosition",
           "generateResultTileValue", "getIterationDomainTileFromResultTile",
           "isOpFusableWithConsumerSlice"]>,
        DeclareOpInterfaceMethods<Hybrid_CostModelInterface, ["getCost"]>]> {
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let hasVerifier = 1;
  code dpsDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable();
  }];
  let extraClassDeclaration = dpsDeclaration;
}

def Hybrid_AttentionOp : Hybrid_ComputeOp<"attention", [AttrSizedOperandSegments]> {
  let summary = "softmax attention over a key/value sequence";
  let description = [{
    For batch b, query head h and query position i, with g = Hq / Hkv and
    n = `kv_length`:

      s[j] = scale · Σ_d query[b,h,i,d] · key[b,h/g,j,d]              0 ≤ j < n
      s[j] = softcap · tanh(s[j] / softcap)                     if softcap > 0
      s[j] = s[j] + mask[b,h,i,j]         (a boolean mask: -inf where false)
      s[j] = -inf unless position j is visible
      p    = softmax over j (and over sinks[h] where given: it takes part in
             the normaliser and contributes nothing); where all s are -inf: 0,
             or 1 / n with `empty_is_mean`
      out[b,h,i,:] = Σ_j p[j] · value[b,h/g,j,:]

    Position j is visible when, with p = `q_offset` + i,
      * j < lengths[b], if `lengths` is given;
      * `causal`: j ≤ p;
      * `window_left` ≥ 0: j ≥ p - window_left, or j < sink_prefix;
      * `window_right` ≥ 0: j ≤ p + window_right.
    With `lengths` the query positions are per batch, the T queries of this
    operation being the last of each sequence: p = lengths[b] - T + `q_offset` + i.
    `q_offset` is 0 there, except in a tile over time, which is a smaller
    operation: offset o and T' queries of T give it `q_offset` + o + T' - T.

    Softmax and accumulation are at least float32. The mask broadcasts (size 1
    or missing leading dimensions) against [B, Hq, T, n]; keys beyond its last
    dimension are not visible. Nothing of size T × n is ever stored.

    Constraints:
      * C1: query, key, value and init have rank 4; batch sizes agree.
      * C2: key and value have the same number of heads and positions.
      * C3: the number of query heads is a multiple of the key/value heads.
      * C4: query and key have the same head dimension.
      * C5: init has query's batch, heads and positions and value's head
        dimension.
      * C6: element types of query, key, value and init are float.
      * C7: mask is boolean or float of rank 1 to 4 and broadcasts to
        [B, Hq, T, ·]; a size of 1 that broadcasts is static.
      * C8: sinks is float of shape [Hq].
      * C9: lengths is i64 of shape [B].
      * C10: window_left, window_right ≥ -1; sink_prefix ≥ 0, and > 0 only with
        window_left ≥ 0.
      * C11: softcap ≥ 0.
      * C12: empty_is_mean is for operations without sinks and lengths.

    ```mlir
    %r = hybrid.attention ins(%q, %k, %v : tensor<1x4x?x16xf32>, tensor<1x2x512x16xf32>, tensor<1x2x512x16xf32>)
           kv_length(%n) q_offset(%p) outs(%o : tensor<1x4x?x16xf32>)
           {causal, scale = 2.500000e-01 : f64} -> tensor<1x4x?x16xf32>
    ```
  }];
  let arguments = (ins
    Hybrid_Shaped:$query, Hybrid_Shaped:$key, Hybrid_Shaped:$value,
    Optional<Hybrid_Shaped>:$mask, Optional<Hybrid_Shaped>:$sinks,
    Optional<Hybrid_Shaped>:$lengths,
    Index:$kv_length, Index:$q_offset,
    Hybrid_Shaped:$init,
    F64Attr:$scale,
    DefaultValuedAttr<F64Attr, "0.0">:$softcap,
    UnitAttr:$causal,
    DefaultValuedAttr<Hybrid_I64Attr, "-1">:$window_left,
    DefaultValuedAttr<Hybrid_I64Attr, "-1">:$window_right,
    DefaultValuedAttr<Hybrid_I64Attr, "0">:$sink_prefix,
    UnitAttr:$empty_is_mean,
    DefaultValuedAttr<Hybrid_HeadLayoutAttr, "::hybrid::HeadLayout::BHTD">:$q_layout,
    DefaultValuedAttr<Hybrid_HeadLayoutAttr, "::hybrid::HeadLayout::BHTD">:$kv_layout);
  let assemblyFormat = [{
    `ins` `(` $query `,` $key `,` $value `:` type($query) `,` type($key) `,` type($value) `)`
    (`mask` `(` $mask^ `:` type($mask) `)`)?
    (`sinks` `(` $sinks^ `:` type($sinks) `)`)?
    (`lengths` `(` $lengths^ `:` type($lengths) `)`)?
    `kv_length` `(` $kv_length `)` `q_offset` `(` $q_offset `)`
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($results)^)?
  }];
  let extraClassDeclaration = dpsDeclaration # [{
    /// Dimension numbers of head and time in query and init.
    unsigned getQueryHeadDim() { return getQLayout() == HeadLayout::BHTD ? 1 : 2; }
    unsigned getQueryTimeDim() { return getQLayout() == HeadLayout::BHTD ? 2 : 1; }
    /// Dimension numbers of head and time in key and value.
    unsigned getKvHeadDim() { return getKvLayout() == HeadLayout::BHTD ? 1 : 2; }
    unsigned getKvTimeDim() { return getKvLayout() == HeadLayout::BHTD ? 2 : 1; }
  }];
}

def Hybrid_ScanOp : Hybrid_ComputeOp<"scan", [AttrSizedOperandSegments]> {
  let summary = "linear recurrence over time with a matrix state per head";
  let description = [{
    Sizes: query [B,T,Hq,dk], key [B,T,Hk,dk], value [B,T,Hv,dv], decay
    [B,T,Hv] or [B,T,Hv,dk] (logarithms), beta [B,T,Hv] or [B,T,1], init
    [B,T,max(Hq,Hv),dv], state [B,Hv,dk,dv] (in place: initial state in, final
    state out). For value head h, with k = key head h·Hk/Hv (integer part):

      S = exp(decay[b,t,h]) ⊙ S            rules gated, gated_delta; a decay per
                                           key channel scales the rows of S
      d = value[b,t,h]                     rules linear, gated
      d = beta[b,t,h] · (value[b,t,h] - Sᵀ key[b,t,k])   delta, gated_delta
      S = S + key[b,t,k] ⊗ d
      out[b,t,o] = scale · Sᵀ query[b,t,q]

    where for Hq ≥ Hv query head q = o belongs to value head q / (Hq/Hv), and
    for Hq < Hv output head o = h reads query head h / (Hv/Hq). All arithmetic
    is at least float32. This is ONNX LinearAttention (opset 27) and, with
    Hv > Hq, its inverse grouping; Mamba-2 is `gated` with key = B, query = C,
    value = Δ·x, decay = Δ·A.

    `form` says how it is computed, never what: `sequential` is a loop over time;
    `chunked` turns `chunk` steps into matrix products (for the delta rules with
    a triangular system per chunk, the WY or UT form) and carries the state from chunk
    to chunk; `associative` is a prefix sum of `chunk` steps per key channel. The
    steps that are left over at the end are computed sequentially if they are
    fewer than `sequential_below`, so that one choice serves every length. An
    operation without `form` is undecided and computed sequentially;
    `hybrid-choose-scan-forms` decides.
    A step of the rules linear and gated is a map S → a ⊙ S + k ⊗ v, and such maps
    compose to one of the same size: they have an associative form. A step of
    the delta rules multiplies S by a matrix a ⊙ (I - beta·k kᵀ), and products of
    those fill up: delta and gated_delta have none.

    Constraints:
      * C1: query, key, value and init have rank 4; state has rank 4.
      * C2: batch and time agree between query, key, value and init.
      * C3: Hq is a multiple of Hv, or Hv of Hq; Hv is a multiple of Hk.
      * C4: query and key have the same head dimension.
      * C5: init is [B,T,max(Hq,Hv),dv].
      * C6: state is [B,Hv,dk,dv].
      * C7: decay is present exactly for gated and gated_delta, of shape
        [B,T,Hv] or [B,T,Hv,dk].
      * C8: beta is present exactly for delta and gated_delta, of shape
        [B,T,Hv] or [B,T,1].
      * C9: element types are float.
      * C10: chunk, between 1 and 128, is present exactly with the forms chunked
        and associative; sequential_below, at least 0, only with them.
      * C11: the form associative is for the rules linear and gated.
      * C12: with the forms chunked and associative, dk and dv are static and at
        most 256: with C10 that bounds the buffers of a block, which lie on the
        stack.

    ```mlir
    %y, %s1 = hybrid.scan gated ins(%q, %k, %v : tensor<1x?x8x16xf32>, tensor<1x?x8x16xf32>, tensor<1x?x8x32xf32>)
           decay(%g : tensor<1x?x8xf32>) outs(%o, %s0 : tensor<1x?x8x32xf32>, tensor<1x8x16x32xf32>)
           {scale = 1.000000e+00 : f64} -> tensor<1x?x8x32xf32>, tensor<1x8x16x32xf32>
    ```
  }];
  let arguments = (ins
    Hybrid_Shaped:$query, Hybrid_Shaped:$key, Hybrid_Shaped:$value,
    Optional<Hybrid_Shaped>:$decay, Optional<Hybrid_Shaped>:$beta,
    Hybrid_Shaped:$init, Hybrid_Shaped:$state,
    Hybrid_UpdateRuleAttr:$rule, F64Attr:$scale,
    OptionalAttr<Hybrid_ScanFormAttr>:$form, OptionalAttr<Hybrid_I64Attr>:$chunk,
    OptionalAttr<Hybrid_I64Attr>:$sequential_below);
  let assemblyFormat = [{
    $rule `ins` `(` $query `,` $key `,` $value `:` type($query) `,` type($key) `,` type($value) `)`
    (`decay` `(` $decay^ `:` type($decay) `)`)?
    (`beta` `(` $beta^ `:` type($beta) `)`)?
    `outs` `(` $init `,` $state `:` type($init) `,` type($state) `)` attr-dict
    (`->` type($results)^)?
  }];
}

def Hybrid_CausalConvOp : Hybrid_ComputeOp<"causal_conv"> {
  let summary = "depthwise causal convolution over time with a state";
  let description = [{
    input [B,C,T] (layout bct) or [B,T,C] (btc), weight [C,K], bias [C], init
    like input, state [B,C,K-1] (in place): the K-1 inputs before the first.
    With P = concat(state, input) over time:

      init[b,c,t] = activation(bias[c] + Σ_k weight[c,k] · P[b,c,t+k])
      state       = the last K-1 columns of P

    Arithmetic is at least float32.

    Constraints:
      * C1: input and init have rank 3 and the same shape.
      * C2: weight is [C,K] with K ≥ 1; bias is [C].
      * C3: state is [B,C,K-1].
      * C4: element types are float.
      * C5: activation is none or silu.

    ```mlir
    %y, %s1 = hybrid.causal_conv ins(%x, %w : tensor<1x192x?xf32>, tensor<192x4xf32>) bias(%b : tensor<192xf32>)
           outs(%o, %s0 : tensor<1x192x?xf32>, tensor<1x192x3xf32>)
           {activation = #hybrid.activation<silu>} -> tensor<1x192x?xf32>, tensor<1x192x3xf32>
    ```
  }];
  let arguments = (ins
    Hybrid_Shaped:$input, Hybrid_Shaped:$weight, Optional<Hybrid_Shaped>:$bias,
    Hybrid_Shaped:$init, Hybrid_Shaped:$state,
    DefaultValuedAttr<Hybrid_ActivationAttr, "::hybrid::Activation::None">:$activation,
    DefaultValuedAttr<Hybrid_ConvLayoutAttr, "::hybrid::ConvLayout::BCT">:$layout);
  let assemblyFormat = [{
    `ins` `(` $input `,` $weight `:` type($input) `,` type($weight) `)`
    (`bias` `(` $bias^ `:` type($bias) `)`)?
    `outs` `(` $init `,` $state `:` type($init) `,` type($state) `)` attr-dict
    (`->` type($results)^)?
  }];
  let extraClassDeclaration = dpsDeclaration # [{
    unsigned getChannelDim() { return getLayout() == ConvLayout::BCT ? 1 : 2; }
    unsigned getTimeDim() { return getLayout() == ConvLayout::BCT ? 2 : 1; }
  }];
}

def Hybrid_RopeOp : Hybrid_ComputeOp<"rope"> {
  let summary = "rotary position embedding";
  let description = [{
    input and init [B,H,T,D] (bhtd) or [B,T,H,D] (bthd). The first
    R = `rotary_dim` entries of the last dimension are R/2 pairs: (x[m],
    x[m+R/2]), or (x[2m], x[2m+1]) when `interleaved`; each is rotated:

      real = cos·x1 - sin·x2,  imag = sin·x1 + cos·x2

    the rest is copied. With `positions` (i64 [B,T] or [1,T]) cos and sin are
    tables [P,R/2] indexed by positions[b,t]; without, [B,T,R/2] or [1,T,R/2].

    Constraints:
      * C1: input and init have rank 4 and the same shape.
      * C2: rotary_dim is even, positive and at most D.
      * C3: cos and sin have the same shape, with last dimension rotary_dim/2
        (larger is allowed: the first rotary_dim/2 columns are read), of rank 2
        with positions and of rank 3 without.
      * C4: positions is i64 [B,T] or [1,T].
      * C5: element types of input, cos, sin and init are float.

    ```mlir
    %r = hybrid.rope ins(%x, %cos, %sin : tensor<1x?x4x16xf32>, tensor<512x8xf32>, tensor<512x8xf32>)
           positions(%p : tensor<1x?xi64>) outs(%o : tensor<1x?x4x16xf32>)
           {layout = #hybrid.layout<bthd>, rotary_dim = 16 : i64} -> tensor<1x?x4x16xf32>
    ```
  }];
  let arguments = (ins
    Hybrid_Shaped:$input, Hybrid_Shaped:$cos, Hybrid_Shaped:$sin,
    Optional<Hybrid_Shaped>:$positions, Hybrid_Shaped:$init,
    Hybrid_I64Attr:$rotary_dim, UnitAttr:$interleaved,
    DefaultValuedAttr<Hybrid_HeadLayoutAttr, "::hybrid::HeadLayout::BHTD">:$layout);
  let assemblyFormat = [{
    `ins` `(` $input `,` $cos `,` $sin `:` type($input) `,` type($cos) `,` type($sin) `)`
    (`positions` `(` $positions^ `:` type($positions) `)`)?
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($results)^)?
  }];
  let extraClassDeclaration = dpsDeclaration # [{
    unsigned getHeadDim() { return getLayout() == HeadLayout::BHTD ? 1 : 2; }
    unsigned getTimeDim() { return getLayout() == HeadLayout::BHTD ? 2 : 1; }
  }];
}

def Hybrid_NormOp : Hybrid_ComputeOp<"norm", [AttrSizedOperandSegments]> {
  let summary = "root-mean-square or layer normalisation over trailing dimensions";
  let description = [{
    Over the dimensions `axis` … rank-1 together, in groups of `group_size`
    consecutive elements (0: one group), in at least float32:

      rms:   n = x / sqrt(mean(x²) + epsilon)
      layer: n = (x - mean(x)) / sqrt(mean((x - mean(x))²) + epsilon)
      init = cast(n) · (scale + zero_centered) + bias

    cast rounds to the input's element type before the scale, as the original
    implementations do. scale and bias broadcast from the right against the
    input; absent ones are 1 and 0.

    Constraints:
      * C1: input and init have the same shape, and rank ≥ 1.
      * C2: 0 ≤ axis < rank.
      * C3: scale and bias broadcast to the input's shape (from the right).
      * C4: epsilon ≥ 0.
      * C5: group_size ≥ 0, divides the static product of the normalised
        dimensions, and is > 0 only when axis is the last dimension.
      * C6: element types are float.
      * C7: zero_centered needs a scale.

    ```mlir
    %r = hybrid.norm rms ins(%x : tensor<1x?x64xf32>) scale(%w : tensor<64xf32>)
           outs(%o : tensor<1x?x64xf32>) {axis = 2 : i64, epsilon = 1.000000e-05 : f64} -> tensor<1x?x64xf32>
    ```
  }];
  let arguments = (ins
    Hybrid_Shaped:$input, Optional<Hybrid_Shaped>:$scale,
    Optional<Hybrid_Shaped>:$bias, Hybrid_Shaped:$init,
    Hybrid_NormKindAttr:$kind, Hybrid_I64Attr:$axis, F64Attr:$epsilon,
    DefaultValuedAttr<Hybrid_I64Attr, "0">:$group_size, UnitAttr:$zero_centered);
  let assemblyFormat = [{
    $kind `ins` `(` $input `:` type($input) `)`
    (`scale` `(` $scale^ `:` type($scale) `)`)?
    (`bias` `(` $bias^ `:` type($bias) `)`)?
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($results)^)?
  }];
}

def Hybrid_GatedNormOp : Hybrid_ComputeOp<"gated_norm"> {
  let summary = "root-mean-square norm with a gate";
  let description = [{
    input, gate and init [..., C], scale [C] or [group_size]; groups of
    `group_size` consecutive channels (0: all C), in at least float32:

      gate_first: init = rms(input · act(gate)) · scale    (Mamba-2)
      norm_first: init = rms(input) · scale · act(gate)    (Qwen3-Next)

    Constraints:
      * C1: input, gate and init have the same shape, and rank ≥ 1.
      * C2: scale is [C] or, with group_size > 0, [group_size].
      * C3: group_size ≥ 0 and divides C.
      * C4: epsilon ≥ 0.
      * C5: element types are float.
      * C6: activation is silu or sigmoid.

    ```mlir
    %r = hybrid.gated_norm gate_first ins(%x, %z : tensor<1x?x128xf32>, tensor<1x?x128xf32>) scale(%w : tensor<128xf32>)
           outs(%o : tensor<1x?x128xf32>) {activation = #hybrid.activation<silu>, epsilon = 1.000000e-05 : f64} -> tensor<1x?x128xf32>
    ```
  }];
  let arguments = (ins
    Hybrid_Shaped:$input, Hybrid_Shaped:$gate, Optional<Hybrid_Shaped>:$scale,
    Hybrid_Shaped:$init,
    Hybrid_GateOrderAttr:$order, Hybrid_ActivationAttr:$activation,
    F64Attr:$epsilon, DefaultValuedAttr<Hybrid_I64Attr, "0">:$group_size);
  let assemblyFormat = [{
    $order `ins` `(` $input `,` $gate `:` type($input) `,` type($gate) `)`
    (`scale` `(` $scale^ `:` type($scale) `)`)?
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($results)^)?
  }];
}

def Hybrid_CacheAppendOp : Hybrid_ComputeOp<"cache_append"> {
  let summary = "writes new keys or values into a cache at a position";
  let description = [{
    cache[b,h,p+t,:] = input[b,h,t,:] for all b, h, t of input, where p is
    `position`, or `position` + positions[b] if `positions` is given; the rest of
    cache keeps its values (in place). input is [B,H,T,D] (bhtd) or [B,T,H,D]
    (bthd), cache always [B,H,S,D]. 0 ≤ p and p + T ≤ S are the caller's duty.

    A `ring` keeps the first P = `sink_prefix` positions and the last S - P
    ones: position q lies in slot q where q < P, else in slot
    P + (q - P) mod (S - P), and only the last S - P positions of the input and
    those below P are written.

    Constraints:
      * C1: input and cache have rank 4.
      * C2: batch, heads and head dimension agree.
      * C3: element types agree.
      * C4: positions is i64 of shape [B].
      * C5: sink_prefix ≥ 0, and > 0 only with ring; with ring S is static and
        sink_prefix < S.

    ```mlir
    %c1 = hybrid.cache_append ins(%k : tensor<1x?x2x16xf32>) at(%p) outs(%c0 : tensor<1x2x512x16xf32>)
            {layout = #hybrid.layout<bthd>} -> tensor<1x2x512x16xf32>
    %c3 = hybrid.cache_append ins(%k : tensor<1x?x2x16xf32>) at(%zero) positions(%ps : tensor<1xi64>)
            outs(%c2 : tensor<1x2x512x16xf32>) {layout = #hybrid.layout<bthd>} -> tensor<1x2x512x16xf32>
    %c5 = hybrid.cache_append ins(%k : tensor<1x?x2x16xf32>) at(%zero) positions(%ps : tensor<1xi64>)
            outs(%c4 : tensor<1x2x10x16xf32>) {layout = #hybrid.layout<bthd>, ring, sink_prefix = 2 : i64} -> tensor<1x2x10x16xf32>
    ```
  }];
  let arguments = (ins
    Hybrid_Shaped:$input, Index:$position, Optional<Hybrid_Shaped>:$positions,
    Hybrid_Shaped:$cache,
    DefaultValuedAttr<Hybrid_HeadLayoutAttr, "::hybrid::HeadLayout::BHTD">:$layout,
    UnitAttr:$ring, DefaultValuedAttr<Hybrid_I64Attr, "0">:$sink_prefix);
  let assemblyFormat = [{
    `ins` `(` $input `:` type($input) `)` `at` `(` $position `)`
    (`positions` `(` $positions^ `:` type($positions) `)`)?
    `outs` `(` $cache `:` type($cache) `)` attr-dict (`->` type($results)^)?
  }];
  let extraClassDeclaration = dpsDeclaration # [{
    unsigned getHeadDim() { return getLayout() == HeadLayout::BHTD ? 1 : 2; }
    unsigned getTimeDim() { return getLayout() == HeadLayout::BHTD ? 2 : 1; }
  }];
}

def Hybrid_RingReadOp : Hybrid_ComputeOp<"ring_read"> {
  let summary = "what a ring keeps, in order, and new positions behind it";
  let description = [{
    ring [B,H,S,D] as `hybrid.cache_append` with `ring` and the same
    `sink_prefix` P leaves it after p = positions[b] positions, of which it keeps
    n = min(p, S): those below P and the last n - P. input [B,H,T,D] (bhtd) or
    [B,T,H,D] (bthd) are the positions p, p + 1, …; init is [B,H,S+T,D].

      init[b,h,j,:] = the kept position number j, by ascending position, j < n
      init[b,h,n+t,:] = input[b,h,t,:]
      init[b,h,j,:] = 0                                          n + T ≤ j

    From P on all positions are shifted by p - n: to an attention with
    `lengths` n + T, a window of at most S - P positions and this
    `sink_prefix` it is as if nothing was missing.

    Constraints:
      * C1: ring, input and init have rank 4.
      * C2: batch, heads and head dimension agree between ring, input and init,
        and the positions of init are those of ring and input together.
      * C3: element types of ring, input and init agree.
      * C4: positions is i64 of shape [B].
      * C5: S is static and 0 ≤ sink_prefix < S.

    ```mlir
    %r = hybrid.ring_read ins(%ring, %k : tensor<1x2x10x16xf32>, tensor<1x4x2x16xf32>) positions(%ps : tensor<1xi64>)
           outs(%o : tensor<1x2x14x16xf32>) {layout = #hybrid.layout<bthd>, sink_prefix = 2 : i64} -> tensor<1x2x14x16xf32>
    ```
  }];
  let arguments = (ins
    Hybrid_Shaped:$ring, Hybrid_Shaped:$input, Hybrid_Shaped:$positions,
    Hybrid_Shaped:$init,
    DefaultValuedAttr<Hybrid_HeadLayoutAttr, "::hybrid::HeadLayout::BHTD">:$layout,
    DefaultValuedAttr<Hybrid_I64Attr, "0">:$sink_prefix);
  let assemblyFormat = [{
    `ins` `(` $ring `,` $input `:` type($ring) `,` type($input) `)`
    `positions` `(` $positions `:` type($positions) `)`
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($results)^)?
  }];
  let extraClassDeclaration = dpsDeclaration # [{
    unsigned getHeadDim() { return getLayout() == HeadLayout::BHTD ? 1 : 2; }
    unsigned getTimeDim() { return getLayout() == HeadLayout::BHTD ? 2 : 1; }
  }];
}

def Hybrid_CumSumOp : Hybrid_ComputeOp<"cumsum"> {
  let summary = "running sum along one dimension";
  let description = [{
    init[.., i, ..] = Σ input[.., j, ..] over j ≤ i (`exclusive`: j < i;
    `reverse`: j ≥ i, with `exclusive` j > i) along `axis`. Sums of 16-bit
    floats are kept in float32.

    Constraints:
      * C1: input and init have the same shape and element type, rank ≥ 1.
      * C2: 0 ≤ axis < rank.
      * C3: the element type is an integer or float.

    ```mlir
    %r = hybrid.cumsum ins(%x : tensor<1x?x64xf32>) outs(%o : tensor<1x?x64xf32>) {axis = 1 : i64} -> tensor<1x?x64xf32>
    ```
  }];
  let arguments = (ins Hybrid_Shaped:$input, Hybrid_Shaped:$init, Hybrid_I64Attr:$axis,
                       UnitAttr:$exclusive, UnitAttr:$reverse);
  let assemblyFormat = [{
    `ins` `(` $input `:` type($input) `)` `outs` `(` $init `:` type($init) `)`
    attr-dict (`->` type($results)^)?
  }];
}

def Hybrid_RouteOp : Hybrid_ComputeOp<"route"> {
  let summary = "which experts a row goes to, and with which weights";
  let description = [{
    logits [N,E], bias [E], experts and weights [N,K]; for each row, in at least
    float32:

      s[e] = logits[n,e], its softmax over the E experts, or its sigmoid
      c[e] = s[e] + bias[e]
      c[e] = others (-inf if absent), where e is in no chosen group  groups > 1
      experts[n,:] = the K experts with the largest c[e], the largest first; of
                     equal ones those with lower numbers
      w[k] = s[experts[n,k]]
      w[k] = w[k] / (Σ w + epsilon)                              weight = share
      w[k] = softmax over k of w                                 weight = softmax
      weights[n,k] = scale · w[k]

    What is no number is the smallest. The bias only takes part in choosing.

    With groups, the experts are `groups` neighbourhoods of equal size. A group is
    worth the sum of its `group_best` largest s[e] + bias[e], and the
    `chosen_groups` groups that are worth most are chosen, of equal ones those with
    lower numbers.

    It is what comes before `hybrid.expert_matmul`: of Mixtral softmax and share, of
    Granite identity and softmax, of Jamba softmax and score, of DeepSeek-V3 sigmoid
    and share with a bias and groups by their best two, of DeepSeek-V2 softmax and
    score with groups by their best.

    Constraints:
      * C1: logits, experts and weights have rank 2, bias rank 1.
      * C2: bias is [E]; experts and weights are [N,K].
      * C3: K is static, at least 1, and at most E.
      * C4: experts is i64; element types of logits, bias and weights are float.
      * C5: epsilon ≥ 0, and > 0 only with share.
      * C6: groups ≥ 1, and if it is more, E is static and a multiple of it.
      * C7: 1 ≤ chosen_groups ≤ groups, and 1 ≤ group_best ≤ E / groups.

    ```mlir
    %e, %w = hybrid.route sigmoid ins(%l : tensor<?x64xf32>) bias(%b : tensor<64xf32>)
           outs(%e0, %w0 : tensor<?x8xi64>, tensor<?x8xf32>)
           {chosen_groups = 4 : i64, group_best = 2 : i64, groups = 8 : i64, others = 0.0 : f64, scale = 2.500000e+00 : f64,
            weight = #hybrid.route_weight<share>} -> tensor<?x8xi64>, tensor<?x8xf32>
    ```
  }];
  let arguments = (ins
    Hybrid_Shaped:$logits, Optional<Hybrid_Shaped>:$bias,
    Hybrid_Shaped:$experts, Hybrid_Shaped:$weights,
    Hybrid_RouteScoreAttr:$score,
    DefaultValuedAttr<Hybrid_RouteWeightAttr, "::hybrid::RouteWeight::Score">:$weight,
    DefaultValuedAttr<F64Attr, "0.0">:$epsilon,
    DefaultValuedAttr<F64Attr, "1.0">:$scale,
    DefaultValuedAttr<Hybrid_I64Attr, "1">:$groups,
    DefaultValuedAttr<Hybrid_I64Attr, "1">:$chosen_groups,
    DefaultValuedAttr<Hybrid_I64Attr, "1">:$group_best,
    OptionalAttr<F64Attr>:$others);
  let assemblyFormat = [{
    $score `ins` `(` $logits `:` type($logits) `)`
    (`bias` `(` $bias^ `:` type($bias) `)`)?
    `outs` `(` $experts `,` $weights `:` type($experts) `,` type($weights) `)`
    attr-dict (`->` type($results)^)?
  }];
}

def Hybrid_ExpertMatMulOp : Hybrid_ComputeOp<"expert_matmul"> {
  let summary = "the product of each row with the matrix of its expert";
  let description = [{
    input [N,H], weight [E,O,H] (`transposed`: [E,H,O]), experts [M], init [M,O],
    where M = N · k and k = `chosen` is the number of experts of an input row.
    Accumulation is at least float32.

      init[m,o] = Σ_h input[m / k, h] · weight[experts[m], o, h]

    Numbers of experts below 0 count from the end; those that are still outside
    of 0 … E - 1 are limited to it. Of the weights, only matrices of chosen
    experts are read, each once for all of its rows.

    A mixture of experts is `hybrid.route`, one or two of these, elementwise
    operations between, and a product that sums over a row's experts.

    Constraints:
      * C1: input and init have rank 2, weight has rank 3.
      * C2: the H of weight is that of input; init is [M,O].
      * C3: experts is i64 of shape [M].
      * C4: chosen ≥ 1, and M = N · chosen.
      * C5: element types of input, weight and init are float.

    ```mlir
    %r = hybrid.expert_matmul ins(%x, %w : tensor<?x64xf32>, tensor<4x96x64xf32>) experts(%e : tensor<?xi64>)
           outs(%o : tensor<?x96xf32>) {chosen = 2 : i64} -> tensor<?x96xf32>
    ```
  }];
  let arguments = (ins
    Hybrid_Shaped:$input, Hybrid_Shaped:$weight, Hybrid_Shaped:$experts,
    Hybrid_Shaped:$init, DefaultValuedAttr<Hybrid_I64Attr, "1">:$chosen,
    UnitAttr:$transposed);
  let extraClassDeclaration = dpsDeclaration # [{
    /// Dimension numbers of O and H in weight.
    unsigned getOutputDim() { return getTransposed() ? 2 : 1; }
    unsigned getInputDim() { return getTransposed() ? 1 : 2; }
  }];
  let assemblyFormat = [{
    `ins` `(` $input `,` $weight `:` type($input) `,` type($weight) `)`
    `experts` `(` $experts `:` type($experts) `)`
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($results)^)?
  }];
}

def Hybrid_PackRowsOp : Hybrid_ComputeOp<"pack_rows"> {
  let summary = "rows as bfloat16 tiles for matrix units";
  let description = [{
    Cuts rows into tiles of 16 × 32, as matrix units read them, and each number
    into p bfloat16 pieces whose sum it is: p is 1 for bf16, 2 for f16 and 3 for
    f32. The first piece is the number without the bits that do not fit, each
    further one what is left, rounded. The sum is exact but for numbers of f32
    below 2^-118, and an infinite one has a piece that is no number.

      init[i div 32, l div 32, 2 · piece + i div 16 mod 2, i mod 16, l mod 32]

    is a piece of input[i, l]; beyond the rows and their length it is zero.

    Constraints:
      * C1: input has rank 2 and a static length, init rank 5.
      * C2: input is [m, k], init [⌈m / 32⌉, ⌈k / 32⌉, 2p, 16, 32].
      * C3: input's elements are f32, f16 or bf16, init's bf16.

    ```mlir
    %r = hybrid.pack_rows ins(%x : tensor<?x80xf32>) outs(%o : tensor<?x3x6x16x32xbf16>) -> tensor<?x3x6x16x32xbf16>
    ```
  }];
  let arguments = (ins Hybrid_Shaped:$input, Hybrid_Shaped:$init);
  let assemblyFormat = [{
    `ins` `(` $input `:` type($input) `)` `outs` `(` $init `:` type($init) `)`
    attr-dict (`->` type($results)^)?
  }];
}

def Hybrid_MatmulOp : Hybrid_ComputeOp<"matmul"> {
  let summary = "product of rows with a weight in panels";
  let description = [{
    init[i, j] = Σ input[i, l] · weight[j div p, l, j mod p] over l: the product
    with a matrix of k rows and n columns that lies in panels of p columns, each
    of which is contiguous (`hybrid.pack_weights`). Products and sums are those of
    init's element type. Input may also be rows in tiles (`hybrid.pack_rows`);
    then weights are cut into pieces, too, and products of pieces that together
    lie below the last bit of both factors are left out.

    With `quantization` the panels are those of `#hybrid.quantization`, and the
    matrix holds the numbers that they stand for. With rows in tiles such a number
    is cut into pieces as f32 is; if rows may be rounded, only the first pieces are
    multiplied.

    Constraints:
      * C1: init has rank 2, weight rank 3, input rank 2, or 5 if it is in tiles.
      * C2: input is [m, k], or such rows in tiles, init [m, n], weight
        [⌈n / p⌉, k, p] with a static p; if it is quantised [⌈n / p⌉, ⌈k / block⌉,
        bytes], static but for the first, whose bytes are those of p columns.
      * C3: elements are floats, init's at least as wide as the inputs' and of 32
        or 64 bits; with rows in tiles, init's are f32 and weight's have pieces.
      * C4: the elements of a quantised weight are i8, and init's are f32.

    ```mlir
    %r = hybrid.matmul ins(%x, %w : tensor<?x64xf32>, tensor<3x64x32xf32>) outs(%o : tensor<?x80xf32>) -> tensor<?x80xf32>
    ```
  }];
  let arguments = (ins Hybrid_Shaped:$input, Hybrid_Shaped:$weight, Hybrid_Shaped:$init,
                       OptionalAttr<Hybrid_QuantizationAttr>:$quantization);
  let assemblyFormat = [{
    `ins` `(` $input `,` $weight `:` type($input) `,` type($weight) `)`
    `outs` `(` $init `:` type($init) `)` attr-dict (`->` type($results)^)?
  }];
  let extraClassDeclaration = dpsDeclaration # [{
    /// Columns of a panel; 0 where the weight's bytes are those of none.
    int64_t getPanel();
    /// Pieces of bfloat16 that a number of the weight is taken for; 0 where it
    /// has none.
    int64_t getNumWeightPieces();
  }];
}

def Hybrid_YieldOp : Hybrid_Op<"yield", [Pure, ReturnLike, Terminator,
                                         ParentOneOf<["ParallelOp"]>]> {
  let summary = "the value of a branch";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}

def Hybrid_ParallelOp : Hybrid_Op<"parallel", [
    SingleBlock, RecursiveMemoryEffects,
    DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface,
          ["reifyResultShapes"]>]> {
  let summary = "branches side by side over the same input, and their combination";
  let description = [{
    Each region is one branch, computes on values from above and yields a tensor
    first. The first result is their

      add: Σ branch,   sub: first - Σ others,   mean: Σ branch / N,
      concat: concatenation along the last dimension,
      weighted: Σ weights[n] · branch[n]

    What a branch yields beside it (its new states) are the other results, branch
    after branch.

    This is the fusion operator of intra-layer hybrids (arXiv 2510.04800,
    section 2). `form` says how it is run, never what it is: `sequential` one
    branch after another, `merged` the same, but for one product where all
    branches multiply the same input, or where products of all are added,
    `parallel` with launches of different branches side by side. An operation
    without `form` is undecided; `hybrid-choose-branch-forms` decides.

    Constraints:
      * C1: there are at least two branches.
      * C2: every branch takes no arguments and yields a ranked float tensor
        first.
      * C3: branch types agree with the result's (concat: in all but the last
        dimension, whose sizes add up).
      * C4: weights are present exactly for weighted, one per branch: each a
        float tensor of rank 0 or 1 that broadcasts from the right.
      * C5: the other results have the types of what branches yield behind the
        first, branch after branch.

    ```mlir
    %r, %s1 = hybrid.parallel mean {
      hybrid.yield %a : tensor<1x?x64xf32>
    }, {
      hybrid.yield %b, %s : tensor<1x?x64xf32>, tensor<1x8x16x16xf32>
    } {form = #hybrid.branch_form<parallel>} : tensor<1x?x64xf32>, tensor<1x8x16x16xf32>
    ```
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$weights, Hybrid_CombineAttr:$combine,
                       OptionalAttr<Hybrid_BranchFormAttr>:$form);
  let results = (outs AnyRankedTensor:$result, Variadic<AnyRankedTensor>:$others);
  let regions = (region VariadicRegion<SizedRegion<1>>:$branches);
  let assemblyFormat = [{
    $combine (`weights` `(` $weights^ `:` type($weights) `)`)? $branches attr-dict
    `:` type($result) (`,` type($others)^)?
  }];
  let hasVerifier = 1;
}

#endif // HYBRID_OPS_TD
