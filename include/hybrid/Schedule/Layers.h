//===- Layers.h - which layer of the model a launch belongs to --*- C++ -*-===//

#ifndef HYBRID_SCHEDULE_LAYERS_H
#define HYBRID_SCHEDULE_LAYERS_H

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"

namespace hybrid {

/// The number of the layer that the name of a node, weight or state states:
/// that behind a word for a layer ("model.layers.3.mlp.up", "l3.wq",
/// "block_3/MatMul"), or else the first component that is a number
/// ("past_key.3").
std::optional<int64_t> parseLayer(llvm::StringRef name);

/// The layers of the launches of `entry`: a number, "embedding", "head", or
/// "shared" for what several layers use. Names decide, of the node, of
/// weights and of states; a launch without any goes with what it computes
/// on, or, if it brings weights (a norm before a layer), with what uses it.
llvm::DenseMap<mlir::Operation *, std::string>
getLayers(mlir::func::FuncOp entry);

} // namespace hybrid

#endif // HYBRID_SCHEDULE_LAYERS_H
