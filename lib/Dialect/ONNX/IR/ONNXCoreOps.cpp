//===- ONNXCoreOps.cpp - Values, control flow, carrier --------------------===//

#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"

using namespace mlir;
using namespace hybrid::onnx;

#define GET_OP_CLASSES
#include "dialects/ONNX/ONNXCoreOps.cpp.inc"

void ONNXDialect::addCoreOps() {
  addOperations<
#define GET_OP_LIST
#include "dialects/ONNX/ONNXCoreOps.cpp.inc"
      >();
}

OpFoldResult NoneOp::fold(FoldAdaptor) { return UnitAttr::get(getContext()); }

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValueAttr(); }

LogicalResult InitializerOp::verify() {
  auto type = cast<ShapedType>(getType());
  std::optional<uint64_t> bytes = getByteSize(type);
  if (!bytes)
    return emitOpError("(I1) has type ") << type << ", whose size is not known";
  if (getSource().getLength() != *bytes)
    return emitOpError("(I2) has a source of ")
           << getSource().getLength() << " bytes, but " << type << " takes "
           << *bytes;
  return success();
}

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

/// The Yield that ends `region`, after checking the numbers of its block's
/// arguments and of its operands.
static LogicalResult verifySubgraph(Operation *op, Region &region,
                                    StringRef name, size_t numArguments,
                                    size_t numYielded) {
  Block &block = region.front();
  if (block.getNumArguments() != numArguments)
    return op->emitOpError()
           << "has a " << name << " with " << block.getNumArguments()
           << " inputs where it needs " << numArguments;
  auto yield = block.empty() ? nullptr : dyn_cast<YieldOp>(block.back());
  if (!yield)
    return op->emitOpError()
           << "has a " << name << " that does not end in onnx.Yield";
  if (yield.getNumOperands() != numYielded)
    return op->emitOpError()
           << "has a " << name << " with " << yield.getNumOperands()
           << " outputs where it needs " << numYielded;
  return success();
}

LogicalResult IfOp::verify() {
  size_t numResults = getNumResults();
  if (failed(
          verifySubgraph(*this, getThenBranch(), "then_branch", 0, numResults)))
    return failure();
  return verifySubgraph(*this, getElseBranch(), "else_branch", 0, numResults);
}

LogicalResult LoopOp::verify() {
  size_t numCarried = getVInitial().size();
  if (getNumResults() < numCarried)
    return emitOpError("carries ")
           << numCarried << " values but has " << getNumResults() << " results";
  return verifySubgraph(*this, getBody(), "body", 2 + numCarried,
                        1 + getNumResults());
}

LogicalResult ScanOp::verify() {
  size_t numOperands = getNumOperands();
  int64_t numScanned = getNumScanInputs();
  if (numScanned < 1 || static_cast<size_t>(numScanned) > numOperands)
    return emitOpError("scans ")
           << numScanned << " of " << numOperands << " inputs";
  if (getNumResults() < numOperands - numScanned)
    return emitOpError("carries ")
           << numOperands - numScanned << " values but has " << getNumResults()
           << " results";
  return verifySubgraph(*this, getBody(), "body", numOperands, getNumResults());
}
