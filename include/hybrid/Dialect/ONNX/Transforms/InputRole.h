//===- InputRole.h - What a graph input is for ------------------*- C++ -*-===//

#ifndef HYBRID_DIALECT_ONNX_TRANSFORMS_INPUTROLE_H
#define HYBRID_DIALECT_ONNX_TRANSFORMS_INPUTROLE_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace hybrid::onnx {

/// Attributes that onnx-bind-states leaves.
///
/// Function argument: a state of the model, {present = "…", kind = "kv" |
/// "conv" | "recurrent"} and, for kv, length_axis (i64).
inline constexpr llvm::StringLiteral kStateAttr = "onnx.state";
/// Function: names of dimensions as expressions over others.
inline constexpr llvm::StringLiteral kBindingsAttr = "onnx.bindings";
/// Function: role (batch, seq, past) to the name of the dimension that has it.
inline constexpr llvm::StringLiteral kRolesAttr = "onnx.roles";

enum class InputRole { Tokens, PositionIds, AttentionMask, Data, State };

/// What argument `index` of `func` is for. States are known after
/// onnx-bind-states. Position ids and masks go by their names (`position_ids`,
/// `attention_mask`); the tokens are `input_ids` or, without it,
/// `inputs_embeds` or else the first other integer input of rank 2.
InputRole getInputRole(mlir::func::FuncOp func, unsigned index);

} // namespace hybrid::onnx

#endif // HYBRID_DIALECT_ONNX_TRANSFORMS_INPUTROLE_H
