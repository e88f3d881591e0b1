//===- HybridProgramOps.td - states, weights, launches -----*- tablegen -*-===//
//
// What ties computations to a program: symbolic sizes, weights, the states
// that survive a call, and launches of kernels.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_PROGRAM_OPS_TD
#define HYBRID_PROGRAM_OPS_TD

include "dialects/Hybrid/HybridOps.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/CallInterfaces.td"

def Hybrid_DimOp : Hybrid_Op<"dim", [Pure]> {
  let summary = "a symbolic size of the current call";
  let description = [{
    The value of the symbol `name` (batch, seq, past, …) for this call. All
    dynamic sizes of a program are affine expressions over such values.

    ```mlir
    %t = hybrid.dim "seq"
    ```
  }];
  let arguments = (ins StrAttr:$name);
  let results = (outs Index:$result);
  let assemblyFormat = "$name attr-dict";
}

def Hybrid_WeightOp : Hybrid_Op<"weight", [Pure]> {
  let summary = "a weight of the model";
  let description = [{
    `length` bytes at `offset` of `file` (relative to the model's folder),
    row-major, little endian. The bytes never enter the IR.

    Constraints:
      * C1: the result has a static shape.
      * C2: length is the size of the result in bytes, one byte per boolean.
      * C3: offset ≥ 0.

    ```mlir
    %w = hybrid.weight "l0.wq" from "model.onnx"[4096, 16384] : tensor<64x64xf32>
    ```
  }];
  let arguments = (ins StrAttr:$name, StrAttr:$file, Hybrid_I64Attr:$offset, Hybrid_I64Attr:$length);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $name `from` $file `[` $offset `,` $length `]` attr-dict `:` type($result)
  }];
  let hasVerifier = 1;
}

def Hybrid_ConcatWeightsOp : Hybrid_Op<"concat_weights", [Pure]> {
  let summary = "weights one behind another, as one";
  let description = [{
    The concatenation of `weights`, results of hybrid.weight, along `axis`, done
    when the artifact is written: nothing moves when the model runs, and the
    weights are stored by themselves only where something else uses them.

    Constraints:
      * C1: there are at least two weights.
      * C2: 0 ≤ axis < rank.
      * C3: the weights' types agree with the result's but for the size along
        axis, where theirs add up; elements have whole bytes.

    ```mlir
    %w = hybrid.concat_weights %q, %in {axis = 1 : i64} : (tensor<64x128xf32>, tensor<64x328xf32>) -> tensor<64x456xf32>
    ```
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$weights, Hybrid_I64Attr:$axis);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$weights attr-dict `:` functional-type($weights, $result)";
  let hasVerifier = 1;
}

def Hybrid_DequantizeWeightOp : Hybrid_Op<"dequantize_weight", [Pure]> {
  let summary = "the numbers that a quantised weight of the model stands for";
  let description = [{
    A matrix [r, c]; result[i, j] = (q[i, j] - z[·]) · scales[·] for integers q of
    `bits` bits, whose rows lie in whole bytes of `integers`, the first in the
    lowest bits. Blocks of `block` numbers along dimension `axis` share a scale
    and a zero point: those at [i, j / block] for axis 1, at [i / block, j] for axis 0.
    Zero points are packed as the integers are; where there are none, all are
    `zero_point`. With `is_signed` integers and zero points are signed.

    Operands are results of hybrid.weight. `hybrid-pack-weights` keeps the
    integers where the matrix is only multiplied, `hybrid-expand-weights` has
    the numbers computed elsewhere.

    Constraints:
      * C1: the result is a static matrix of f32; bits is 4 or 8, block ≥ 1, axis
        0 or 1.
      * C2: integers is i8 [r, w], with at least c · bits / 8 bytes in a row.
      * C3: scales is f32, f16 or bf16, [r, ⌈c / block⌉] for axis 1,
        [⌈r / block⌉, c] for axis 0; a size of 1 broadcasts.
      * C4: zero_points is i8, of the shape of scales with the last dimension in
        bytes.

    ```mlir
    %w = hybrid.dequantize_weight %q scales %s {axis = 1 : i64, bits = 4 : i64, block = 32 : i64, zero_point = 8 : i64}
           : (tensor<64x64xi8>, tensor<64x4xf32>) -> tensor<64x128xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$integers, AnyRankedTensor:$scales,
                       Optional<AnyRankedTensor>:$zero_points,
                       Hybrid_I64Attr:$bits, Hybrid_I64Attr:$block, Hybrid_I64Attr:$axis,
                       DefaultValuedAttr<Hybrid_I64Attr, "0">:$zero_point,
                       UnitAttr:$is_signed, UnitAttr:$rounded_rows);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $integers `scales` $scales (`zero_points` $zero_points^)? attr-dict
    `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Hybrid_PackWeightsOp : Hybrid_Op<"pack_weights", [Pure]> {
  let summary = "a weight in panels of columns";
  let description = [{
    result[j div p, l, j mod p] = weight[l, j] (`transposed`: weight[j, l]), and zero
    for columns that there are not; done when the artifact is written. `weight` is
    the result of hybrid.weight, hybrid.concat_weights or hybrid.dequantize_weight.

    With `quantization` the result is the bytes that `#hybrid.quantization`
    describes: of the integers, scales and zero points that the file has, if
    weight comes from hybrid.dequantize_weight, and otherwise of those that
    stand nearest to weight's numbers.

    Constraints:
      * C1: weight is of rank 2 and static; its elements have whole bytes.
      * C2: the result, of the same element type, is [⌈n / p⌉, k, p] for the n
        columns and k rows of weight, or of its transpose.
      * C3: a quantised result is i8 [⌈n / p⌉, ⌈k / block⌉, bytes], for the bytes of p
        columns; then weight's elements are floats.

    ```mlir
    %p = hybrid.pack_weights %w : tensor<64x80xf32> -> tensor<3x64x32xf32>
    %q = hybrid.pack_weights %w {quantization = #hybrid.quantization<bits = 4, block = 32, scale = f16>} : tensor<64x80xf32> -> tensor<3x2x576xi8>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$weight, UnitAttr:$transposed,
                       OptionalAttr<Hybrid_QuantizationAttr>:$quantization);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$weight attr-dict `:` type($weight) `->` type($result)";
  let hasVerifier = 1;
}

def Hybrid_StateOp : Hybrid_Op<"state", [Symbol]> {
  let summary = "declares a state: memory of the model between calls";
  let description = [{
    A cache that the runtime owns, zero at the start, batch-major. `sym_name`
    is the graph input's name, `present` the graph output's. For kind kv
    `length_axis` is the dimension that grows; its size in `type` is the
    capacity. A kv_window is a ring along `length_axis`: of up to `capacity`
    positions it keeps the first `sink_prefix` and the last ones, as
    `hybrid.cache_append` with `ring` writes them.

    Constraints:
      * C1: type is a ranked tensor of rank ≥ 1, in which only dimension 0, the
        batch, may be dynamic.
      * C2: length_axis is present exactly for kv and kv_window, and is between
        1 and rank-1.
      * C3: sink_prefix and capacity are present exactly for kv_window, and
        0 ≤ sink_prefix < size along length_axis ≤ capacity.

    ```mlir
    hybrid.state @"past_key.0" kv_window present "present_key.0" length_axis 2 sink_prefix 2 capacity 512 : tensor<?x2x10x16xf32>
    hybrid.state @"past_key.1" kv present "present_key.1" length_axis 2 : tensor<?x2x512x16xf32>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Hybrid_StateKindAttr:$kind,
                       StrAttr:$present, OptionalAttr<Hybrid_I64Attr>:$length_axis,
                       OptionalAttr<Hybrid_I64Attr>:$sink_prefix,
                       OptionalAttr<Hybrid_I64Attr>:$capacity,
                       TypeAttrOf<AnyRankedTensor>:$type);
  let assemblyFormat = [{
    $sym_name $kind `present` $present (`length_axis` $length_axis^)?
    (`sink_prefix` $sink_prefix^)? (`capacity` $capacity^)? attr-dict `:` $type
  }];
  let hasVerifier = 1;
}

def Hybrid_ReadStateOp : Hybrid_Op<"read_state", [
    Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "a state as it is at the start of the call";
  let description = [{
    The whole state, kv states at full capacity; the batch dimension has this
    call's batch size.

    Constraints:
      * C1: state names a hybrid.state.
      * C2: the result type is the state's, up to the batch dimension.

    ```mlir
    %s = hybrid.read_state @past_conv : tensor<?x192x3xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$state);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$state attr-dict `:` type($result)";
}

def Hybrid_WriteStateOp : Hybrid_Op<"write_state", [
    MemoryEffects<[MemWrite]>, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "sets a state at the end of the call";
  let description = [{
    Reads of the state see its value before the call wherever they stand. When
    the value was computed in place on hybrid.read_state, nothing is copied.

    Constraints:
      * C1: state names a hybrid.state.
      * C2: the value's type is the state's, up to the batch dimension.

    ```mlir
    hybrid.write_state %s, @past_conv : tensor<?x192x3xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$value, FlatSymbolRefAttr:$state);
  let assemblyFormat = "$value `,` $state attr-dict `:` type($value)";
}

def Hybrid_LaunchOp : Hybrid_Op<"launch", [
    AttrSizedOperandSegments, DestinationStyleOpInterface,
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "runs a kernel over its grid";
  let description = [{
    `kernel` is a func.func with the unit attribute `hybrid.kernel`. Its
    parameters are the `ins`, then the `outs`, then the index operands `sizes`;
    on tensors it returns its results, one per `outs`, on memrefs nothing.
    `grid` is the number of blocks, known from level 4 on, where the kernel has
    one more parameter: the block's number. A parameter for one of the `outs`
    with the unit attribute `hybrid.writeonly` is a destination whose old values
    the kernel does not use.

    Constraints:
      * C1: kernel names a func.func with the attribute hybrid.kernel.
      * C2: operands match the kernel's parameters, and results its results, in
        number, element types and shapes, up to layout; static sizes match
        dynamic ones.

    ```mlir
    %r = hybrid.launch @matmul_0 ins(%a, %w : tensor<?x64xf32>, tensor<64x64xf32>) outs(%o : tensor<?x64xf32>) sizes(%n) -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel,
    Variadic<Hybrid_Shaped>:$inputs, Variadic<Hybrid_Shaped>:$inits,
    Variadic<Index>:$sizes, Optional<Index>:$grid);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $kernel (`grid` `(` $grid^ `)`)? (`ins` `(` $inputs^ `:` type($inputs) `)`)?
    (`outs` `(` $inits^ `:` type($inits) `)`)? (`sizes` `(` $sizes^ `)`)?
    attr-dict (`->` type($results)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getInitsMutable(); }
  }];
}

#endif // HYBRID_PROGRAM_OPS_TD
