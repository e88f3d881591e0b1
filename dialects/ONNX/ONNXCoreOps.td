//===- ONNXCoreOps.td - Values, control flow, carrier ---------------------===//

#ifndef HYBRID_DIALECT_ONNX_COREOPS_TD
#define HYBRID_DIALECT_ONNX_COREOPS_TD

include "dialects/ONNX/ONNXBase.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"

class ONNX_CoreOp<string mnemonic, list<Trait> traits = []>
    : Op<ONNX_Dialect, mnemonic, traits>;

def ONNX_NoneOp : ONNX_CoreOp<"None", [Pure, ConstantLike]> {
  let summary = "an input that a node leaves out";
  let description = [{
    ```mlir
    %none = onnx.None : none
    ```
  }];
  let arguments = (ins);
  let results = (outs NoneType:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
  let hasFolder = 1;
}

def ONNX_ConstantOp : ONNX_CoreOp<"Constant",
    [Pure, ConstantLike, AllTypesMatch<["value", "result"]>]> {
  let summary = "a small tensor";
  let description = [{
    ai.onnx Constant, a small initializer, or an attribute that a later version
    of its operator takes as an input.

    ```mlir
    %axes = onnx.Constant dense<[0, 1]> : tensor<2xi64>
    ```
  }];
  let arguments = (ins ElementsAttr:$value);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "attr-dict $value";
  let hasFolder = 1;
}

def ONNX_InitializerOp : ONNX_CoreOp<"Initializer", [Pure]> {
  let summary = "a tensor in a file: a weight";
  let description = [{
    Constraints:
     * (I1) The result has a static shape.
     * (I2) The length of the source is the number of bytes of the result.

    ```mlir
    %w = onnx.Initializer "lm_head.weight" <"model.onnx.data", 4096, 1024>
        : tensor<16x16xf32>
    ```
  }];
  let arguments = (ins StrAttr:$name, ONNX_SourceAttr:$source);
  let results = (outs AnyStaticShapeTensor:$result);
  let assemblyFormat = "$name $source attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def ONNX_ExpertMatMulOp : ONNX_CoreOp<"ExpertMatMul", [Pure]> {
  let summary = "the product of each row with the matrix of its expert";
  let description = [{
    No operator of ONNX: what onnx-raise-moe makes of a mixture of experts.
    `input` [N,H], `weight` [E,O,H] (`transposed`: [E,H,O]), `experts`
    [N·chosen] int64; the result is [N·chosen, O], and its row m the product of
    the matrix of experts[m] with row m / chosen of the input.

    ```mlir
    %y = onnx.ExpertMatMul(%x, %w, %e) {chosen = 2 : i64}
        : (tensor<?x64xf32>, tensor<4x96x64xf32>, tensor<?xi64>) -> tensor<?x96xf32>
    ```
  }];
  let arguments = (ins ONNX_Value:$input, ONNX_Value:$weight,
                       ONNX_Value:$experts,
                       DefaultValuedOptionalAttr<I64Attr, "1">:$chosen,
                       UnitAttr:$transposed);
  let results = (outs ONNX_Value:$output);
  let assemblyFormat =
      "`(` operands `)` attr-dict `:` functional-type(operands, results)";
}

def ONNX_RouteOp : ONNX_CoreOp<"Route", [Pure]> {
  let summary = "which experts a row goes to, and with which weights";
  let description = [{
    No operator of ONNX: what onnx-raise-moe makes of a router, as hybrid.route
    describes it. `logits` [...,E], `bias` [E]; the results are [...,k].

    ```mlir
    %e, %w = onnx.Route(%logits, %none) {k = 2 : i64, score = "identity", weight = "softmax"}
        : (tensor<?x4xf32>, none) -> (tensor<?x2xi64>, tensor<?x2xf32>)
    ```
  }];
  let arguments = (ins ONNX_Value:$logits, ONNX_OptionalValue:$bias,
                       I64Attr:$k, StrAttr:$score, StrAttr:$weight,
                       DefaultValuedOptionalAttr<F64Attr, "0.0">:$epsilon,
                       DefaultValuedOptionalAttr<F64Attr, "1.0">:$scale,
                       DefaultValuedOptionalAttr<I64Attr, "1">:$groups,
                       DefaultValuedOptionalAttr<I64Attr, "1">:$chosen_groups,
                       DefaultValuedOptionalAttr<I64Attr, "1">:$group_best,
                       OptionalAttr<F64Attr>:$others);
  let results = (outs ONNX_Value:$experts, ONNX_Value:$weights);
  let assemblyFormat =
      "`(` operands `)` attr-dict `:` functional-type(operands, results)";
}

def ONNX_UnknownOp : ONNX_CoreOp<"Unknown"> {
  let summary = "an operator that the dialect does not know";
  let description = [{
    Carries any node: `node_attributes` by ONNX name, subgraphs as regions named by
    `region_names`. `reason` says why it is not an op of its own. Inputs that
    the node leaves out are none values.

    ```mlir
    %0 = onnx.Unknown "org.example" "Frobnicate" (%x) {
      node_attributes = {alpha = 2.0 : f32}, reason = "unknown operator"
    } : (tensor<?xf32>) -> tensor<?xf32>
    ```
  }];
  let arguments = (ins
    StrAttr:$domain,
    StrAttr:$op_type,
    Variadic<ONNX_OptionalValue>:$inputs,
    DefaultValuedOptionalAttr<DictionaryAttr, "{}">:$node_attributes,
    OptionalAttr<StrArrayAttr>:$region_names,
    OptionalAttr<StrAttr>:$reason
  );
  let results = (outs Variadic<ONNX_OptionalValue>:$outputs);
  let regions = (region VariadicRegion<AnyRegion>:$subgraphs);
  let assemblyFormat = [{
    $domain $op_type `(` operands `)` attr-dict `:`
    functional-type(operands, results) $subgraphs
  }];
}

def ONNX_YieldOp : ONNX_CoreOp<"Yield", [Pure, Terminator, ReturnLike]> {
  let summary = "the outputs of a subgraph";
  let arguments = (ins Variadic<ONNX_OptionalValue>:$operands);
  let results = (outs);
  let assemblyFormat = "`(` operands `)` attr-dict (`:` type($operands)^)?";
}

class ONNX_ControlOp<string mnemonic>
    : ONNX_CoreOp<mnemonic, [RecursiveMemoryEffects]>;

def ONNX_IfOp : ONNX_ControlOp<"If"> {
  let summary = "ai.onnx If, versions 1, 11, 13, 16, 19, 21, 23, 24, 25";
  let description = [{
    Both regions have one block without arguments, may use values from outside,
    and yield as many values as the op has results.
  }];
  let arguments = (ins ONNX_Value:$cond);
  let results = (outs Variadic<ONNX_Value>:$outputs);
  let regions = (region SizedRegion<1>:$then_branch,
                        SizedRegion<1>:$else_branch);
  let assemblyFormat = [{
    `(` operands `)` attr-dict `:` functional-type(operands, results)
    $then_branch `else` $else_branch
  }];
  let hasVerifier = 1;
}

def ONNX_LoopOp : ONNX_ControlOp<"Loop"> {
  let summary = "ai.onnx Loop, versions 1, 11, 13, 16, 19, 21, 23, 24, 25";
  let description = [{
    The body takes the iteration number, the condition and the carried values;
    it yields the condition, the carried values and what each iteration adds to
    the scan outputs. It may use values from outside.
  }];
  let arguments = (ins ONNX_OptionalValue:$M, ONNX_OptionalValue:$cond,
                       Variadic<ONNX_OptionalValue>:$v_initial);
  let results = (outs Variadic<ONNX_OptionalValue>:$v_final_and_scan_outputs);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    `(` operands `)` attr-dict `:` functional-type(operands, results) $body
  }];
  let hasVerifier = 1;
}

def ONNX_ScanOp : ONNX_ControlOp<"Scan"> {
  let summary = "ai.onnx Scan, versions 9, 11, 16, 19, 21, 23, 24, 25";
  let description = [{
    The last `num_scan_inputs` operands are scanned, the others are carried. The
    body takes the carried values and one slice of every scanned one, and yields
    the carried values and one slice of every scan output. It may use values
    from outside. Scan-8 is another operator and imports as onnx.Unknown.
  }];
  let arguments = (ins
    Variadic<ONNX_Value>:$initial_state_and_scan_inputs,
    I64Attr:$num_scan_inputs,
    OptionalAttr<DenseI64ArrayAttr>:$scan_input_axes,
    OptionalAttr<DenseI64ArrayAttr>:$scan_input_directions,
    OptionalAttr<DenseI64ArrayAttr>:$scan_output_axes,
    OptionalAttr<DenseI64ArrayAttr>:$scan_output_directions
  );
  let results = (outs
    Variadic<ONNX_OptionalValue>:$final_state_and_scan_outputs);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    `(` operands `)` attr-dict `:` functional-type(operands, results) $body
  }];
  let hasVerifier = 1;
}

#endif // HYBRID_DIALECT_ONNX_COREOPS_TD
