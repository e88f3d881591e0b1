//===- GraphOrder.h - Order of the nodes of an ONNX graph -------*- C++ -*-===//

#ifndef HYBRID_LIB_IMPORT_GRAPHORDER_H
#define HYBRID_LIB_IMPORT_GRAPHORDER_H

#include "lib/Import/onnx_wire.pb.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"

#include <google/protobuf/repeated_ptr_field.h>
#include <string>

namespace hybrid {

using NodeList = google::protobuf::RepeatedPtrField<hybrid_onnx::Node>;

/// "node 'name' (OpType)"; without a name, the first output stands for it.
std::string describeNode(const hybrid_onnx::Node &node);

/// The indices of `nodes` so that each comes after the nodes whose outputs it
/// (or a subgraph of it) uses; as in the file where that already holds.
/// If nodes form a cycle, the result holds the other nodes and `cycle` is
/// called once with the nodes of one cycle, in order.
llvm::SmallVector<int>
orderNodes(const NodeList &nodes,
           llvm::function_ref<void(llvm::ArrayRef<int>)> cycle);

} // namespace hybrid

#endif // HYBRID_LIB_IMPORT_GRAPHORDER_H
