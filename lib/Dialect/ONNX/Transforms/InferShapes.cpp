//===- InferShapes.cpp - Refine types by inferred shapes ------------------===//
//
// Dimensions that are constants in the symbolic analysis become static. Where
// the file declares a static dimension that the analysis knows to be an
// expression, the expression wins: the type must hold for every input.
//
//===----------------------------------------------------------------------===//

#include "PassOptions.h"
#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"
#include "hybrid/Dialect/ONNX/Transforms/InputRole.h"
#include "hybrid/Dialect/ONNX/Transforms/Passes.h"

namespace hybrid::onnx {
#define GEN_PASS_DEF_ONNXINFERSHAPES
#include "dialects/ONNX/ONNXPasses.h.inc"
} // namespace hybrid::onnx

using namespace mlir;
using namespace hybrid::onnx;

namespace {
struct InferShapes : hybrid::onnx::impl::ONNXInferShapesBase<InferShapes> {
  using ONNXInferShapesBase::ONNXInferShapesBase;

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    if (func.isExternal())
      return;
    FailureOr<SymbolicShapeOptions> options =
        makeShapeOptions(bindings, func.getLoc());
    if (failed(options))
      return signalPassFailure();
    FailureOr<SymbolicShapes> shapes = SymbolicShapes::compute(func, *options);
    if (failed(shapes))
      return signalPassFailure();
    refineTypes(func, *shapes);
    bindNames(func);
  }

private:
  void bindNames(func::FuncOp func);
  void refineTypes(func::FuncOp func, const SymbolicShapes &shapes);
  void refine(Value value, const SymbolicShapes &shapes);
};
} // namespace

void InferShapes::refine(Value value, const SymbolicShapes &shapes) {
  auto tensor = dyn_cast<TensorType>(value.getType());
  std::optional<ArrayRef<AffineExpr>> shape = shapes.getShape(value);
  if (!tensor || !shape)
    return;
  SmallVector<int64_t> dims;
  for (AffineExpr dim : *shape) {
    auto constant = dyn_cast<AffineConstantExpr>(dim);
    dims.push_back(constant ? constant.getValue() : ShapedType::kDynamic);
  }
  auto type = RankedTensorType::get(dims, tensor.getElementType());
  if (type == tensor)
    return;
  value.setType(type);
  ++numRefined;
}

void InferShapes::refineTypes(func::FuncOp func, const SymbolicShapes &shapes) {
  func.walk([&](Operation *op) {
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (BlockArgument argument : block.getArguments())
          refine(argument, shapes);
    for (Value result : op->getResults())
      refine(result, shapes);
  });
  Operation *terminator = func.getBody().front().getTerminator();
  func.setType(FunctionType::get(func.getContext(),
                                 func.getBody().getArgumentTypes(),
                                 terminator->getOperandTypes()));
}

/// A name whose only places are static now would be lost, and expressions with
/// it unknown: its value becomes a binding.
void InferShapes::bindNames(func::FuncOp func) {
  NamedAttrList bindings(func->getAttrOfType<DictionaryAttr>(kBindingsAttr));
  size_t before = bindings.getAttrs().size();
  for (BlockArgument argument : func.getArguments()) {
    auto names = func.getArgAttrOfType<ArrayAttr>(argument.getArgNumber(),
                                                  ONNXDialect::kDimsAttr);
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!names || !type || names.size() != type.getShape().size())
      continue;
    for (auto [name, size] : llvm::zip(names, type.getShape())) {
      auto text = dyn_cast<StringAttr>(name);
      bool isName =
          text && !text.empty() && text.getValue() != "?" &&
          text.getValue().find_first_of("+-*/%() ") == StringRef::npos;
      if (isName && !ShapedType::isDynamic(size) && !bindings.get(text))
        bindings.set(text, StringAttr::get(&getContext(), Twine(size)));
    }
  }
  if (bindings.getAttrs().size() > before)
    func->setAttr(kBindingsAttr, bindings.getDictionary(&getContext()));
}
