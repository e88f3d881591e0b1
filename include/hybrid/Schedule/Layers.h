//===- Layers.h - which layer of the model a launch belongs to ---*- C++ -*-===//

#ifndef HYBRID_SCHEDULE_LAYERS_H
#define HYBRID_SCHEDULE_LAYERS_H

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"

namespace hybrid {

/// The number of the layer that the name of a node, weight or state states:
/// its first component that is a number ("model.layers.3.mlp.up", "past_key.3")
/// or a word for a layer with one behind it ("l3.wq", "block_3/MatMul").
std::optional<int64_t> parseLayer(llvm::StringRef name);

/// The layers of the launches of `entry`: a number, "embedding", "head", or
/// "shared" for what several layers use. Names decide (of the node, else of
/// weights, else of states); a launch without any goes with what it computes
/// on, or, if it brings weights (a norm before a layer), with what uses it.
llvm::DenseMap<mlir::Operation *, std::string>
getLayers(mlir::func::FuncOp entry);

} // namespace hybrid

#endif // HYBRID_SCHEDULE_LAYERS_H
