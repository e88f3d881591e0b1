//===- HybridAttributes.td - enums of the hybrid dialect ---*- tablegen -*-===//

#ifndef HYBRID_ATTRIBUTES_TD
#define HYBRID_ATTRIBUTES_TD

include "dialects/Hybrid/HybridDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/CommonAttrConstraints.td"
include "mlir/IR/EnumAttr.td"

/// An i64 whose accessor is signed, unlike that of I64Attr.
def Hybrid_I64Attr : TypedSignlessIntegerAttrBase<
    I64, "int64_t", "64-bit signless integer attribute"> {
  let convertFromStorage = "$_self.getValue().getSExtValue()";
}

class Hybrid_Enum<string name, string summary, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::hybrid";
  let genSpecializedAttr = 0;
}
/// Printed bare in an operation's own syntax: `hybrid.scan gated`.
class Hybrid_EnumAttr<EnumInfo enum, string mnemonic>
    : EnumAttr<Hybrid_Dialect, enum, mnemonic>;
/// Printed in the attribute dictionary: `#hybrid.layout<bthd>`.
class Hybrid_DictEnumAttr<EnumInfo enum, string mnemonic>
    : EnumAttr<Hybrid_Dialect, enum, mnemonic> {
  let assemblyFormat = "`<` $value `>`";
}

def Hybrid_HeadLayout : Hybrid_Enum<"HeadLayout", "order of head and time", [
    I32EnumAttrCase<"BHTD", 0, "bhtd">,   // [batch, head, time, dim]
    I32EnumAttrCase<"BTHD", 1, "bthd">    // [batch, time, head, dim]
]>;
def Hybrid_HeadLayoutAttr : Hybrid_DictEnumAttr<Hybrid_HeadLayout, "layout">;

def Hybrid_ConvLayout : Hybrid_Enum<"ConvLayout", "order of channel and time", [
    I32EnumAttrCase<"BCT", 0, "bct">,
    I32EnumAttrCase<"BTC", 1, "btc">
]>;
def Hybrid_ConvLayoutAttr : Hybrid_DictEnumAttr<Hybrid_ConvLayout, "conv_layout">;

def Hybrid_UpdateRule : Hybrid_Enum<"UpdateRule", "how a scan updates its state", [
    I32EnumAttrCase<"Linear", 0, "linear">,
    I32EnumAttrCase<"Gated", 1, "gated">,
    I32EnumAttrCase<"Delta", 2, "delta">,
    I32EnumAttrCase<"GatedDelta", 3, "gated_delta">
]>;
def Hybrid_UpdateRuleAttr : Hybrid_EnumAttr<Hybrid_UpdateRule, "rule">;

def Hybrid_ScanForm : Hybrid_Enum<"ScanForm", "in which form a scan is computed", [
    I32EnumAttrCase<"Sequential", 0, "sequential">,   // step after step
    I32EnumAttrCase<"Chunked", 1, "chunked">,         // matrix products within chunks
    I32EnumAttrCase<"Associative", 2, "associative">  // prefix sums within chunks
]>;
def Hybrid_ScanFormAttr : Hybrid_DictEnumAttr<Hybrid_ScanForm, "scan_form">;

def Hybrid_Activation : Hybrid_Enum<"Activation", "a pointwise non-linearity", [
    I32EnumAttrCase<"None", 0, "none">,
    I32EnumAttrCase<"Silu", 1, "silu">,
    I32EnumAttrCase<"Sigmoid", 2, "sigmoid">
]>;
def Hybrid_ActivationAttr : Hybrid_DictEnumAttr<Hybrid_Activation, "activation">;

def Hybrid_RouteScore : Hybrid_Enum<"RouteScore", "how a router scores experts", [
    I32EnumAttrCase<"Identity", 0, "identity">,
    I32EnumAttrCase<"Softmax", 1, "softmax">,
    I32EnumAttrCase<"Sigmoid", 2, "sigmoid">
]>;
def Hybrid_RouteScoreAttr : Hybrid_EnumAttr<Hybrid_RouteScore, "route_score">;

def Hybrid_RouteWeight : Hybrid_Enum<"RouteWeight", "how scores of chosen experts become weights", [
    I32EnumAttrCase<"Score", 0, "score">,       // as they are
    I32EnumAttrCase<"Share", 1, "share">,       // of their sum
    I32EnumAttrCase<"Softmax", 2, "softmax">
]>;
def Hybrid_RouteWeightAttr : Hybrid_DictEnumAttr<Hybrid_RouteWeight, "route_weight">;

def Hybrid_NormKind : Hybrid_Enum<"NormKind", "the statistic of a norm", [
    I32EnumAttrCase<"Rms", 0, "rms">,
    I32EnumAttrCase<"Layer", 1, "layer">
]>;
def Hybrid_NormKindAttr : Hybrid_EnumAttr<Hybrid_NormKind, "norm_kind">;

def Hybrid_GateOrder : Hybrid_Enum<"GateOrder", "whether the gate is applied before or after the norm", [
    I32EnumAttrCase<"GateFirst", 0, "gate_first">,
    I32EnumAttrCase<"NormFirst", 1, "norm_first">
]>;
def Hybrid_GateOrderAttr : Hybrid_EnumAttr<Hybrid_GateOrder, "gate_order">;

def Hybrid_Combine : Hybrid_Enum<"Combine", "how parallel branches are combined", [
    I32EnumAttrCase<"Add", 0, "add">,
    I32EnumAttrCase<"Sub", 1, "sub">,
    I32EnumAttrCase<"Mean", 2, "mean">,
    I32EnumAttrCase<"Concat", 3, "concat">,
    I32EnumAttrCase<"Weighted", 4, "weighted">
]>;
def Hybrid_CombineAttr : Hybrid_EnumAttr<Hybrid_Combine, "combine">;

def Hybrid_BranchForm : Hybrid_Enum<"BranchForm", "how parallel branches are run", [
    I32EnumAttrCase<"Sequential", 0, "sequential">, // one after another
    I32EnumAttrCase<"Merged", 1, "merged">,         // the same, but for products of all
    I32EnumAttrCase<"Parallel", 2, "parallel">      // launches side by side
]>;
def Hybrid_BranchFormAttr : Hybrid_DictEnumAttr<Hybrid_BranchForm, "branch_form">;

def Hybrid_BranchAttr : AttrDef<Hybrid_Dialect, "Branch"> {
  let summary = "which branch of which parallel operation";
  let description = [{
    Metadata of a fused location: where the operations of a branch come from that
    runs behind the other branches, not beside them. Locations survive fusion, and
    kernels that are alike stay alike.

    ```mlir
    loc(fused<#hybrid.branch<0, 1>>["matmul"])
    ```
  }];
  let mnemonic = "branch";
  let parameters = (ins "int64_t":$parallel, "int64_t":$number);
  let assemblyFormat = "`<` $parallel `,` $number `>`";
}

def Hybrid_QuantizationAttr : AttrDef<Hybrid_Dialect, "Quantization"> {
  let summary = "how the numbers of a weight in panels are quantised";
  let description = [{
    A number is (q - z) · s for an integer q ≥ 0 of `bits` bits, and a scale s of
    type `scale` and a zero point z per column and `block` rows. With `zero_points`
    each z is stored in a byte, without all are 2^(bits - 1). `rounded_rows`: what
    the weight is multiplied with may be rounded to 8 significant bits.

    A panel of p columns is stored as one string of bytes per block, an i8 tensor
    of shape [panels, blocks, bytes]:
      * p · block · bits / 8 bytes of integers: words of 4 bytes, little endian, each
        of which holds the next 32 / bits rows of one column, the first in its
        lowest bits; p words side by side, then those of the rows behind;
      * p scales, little endian;
      * p bytes of zero points, if there are any.
    Integers of rows beyond the last count nothing.

    Constraints:
      * C1: bits is 4 or 8.
      * C2: block is 16, 32, 64 or 128.
      * C3: scale is f32, f16 or bf16.

    ```mlir
    #hybrid.quantization<bits = 4, block = 32, scale = f16>
    ```
  }];
  let mnemonic = "quantization";
  let parameters = (ins "int64_t":$bits, "int64_t":$block, "::mlir::Type":$scale,
                        DefaultValuedParameter<"bool", "false">:$zero_points,
                        DefaultValuedParameter<"bool", "false">:$rounded_rows);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Rows in a word of 4 bytes.
    int64_t getRowsPerWord() const { return 32 / getBits(); }
    /// Bytes of a block of one column, with scale and zero point.
    int64_t getColumnBytes() const {
      return getBlock() * getBits() / 8 + getScaleBytes() + getZeroPoints();
    }
    int64_t getScaleBytes() const {
      return getScale().getIntOrFloatBitWidth() / 8;
    }
  }];
}

def Hybrid_StateKind : Hybrid_Enum<"StateKind", "what a state holds", [
    I32EnumAttrCase<"KV", 0, "kv">,
    I32EnumAttrCase<"KVWindow", 1, "kv_window">,
    I32EnumAttrCase<"Conv", 2, "conv">,
    I32EnumAttrCase<"Recurrent", 3, "recurrent">
]>;
def Hybrid_StateKindAttr : Hybrid_EnumAttr<Hybrid_StateKind, "state_kind">;

#endif // HYBRID_ATTRIBUTES_TD
