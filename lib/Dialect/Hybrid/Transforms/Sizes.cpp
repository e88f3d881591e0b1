//===- Sizes.cpp - sizes of tensors from where they were made -------------===//

#include "hybrid/Dialect/Hybrid/Transforms/Sizes.h"

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

std::optional<OpFoldResult> hybrid::findSize(Value value, int64_t dim) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type)
    return std::nullopt;
  if (!type.isDynamicDim(dim))
    return Builder(type.getContext()).getIndexAttr(type.getDimSize(dim));
  Operation *op = value.getDefiningOp();
  if (!op)
    return std::nullopt;
  using Size = std::optional<OpFoldResult>;
  return llvm::TypeSwitch<Operation *, Size>(op)
      .Case([&](tensor::EmptyOp empty) { return empty.getMixedSizes()[dim]; })
      .Case(
          [&](tensor::CastOp cast) { return findSize(cast.getSource(), dim); })
      .Case([&](tensor::ExpandShapeOp expand) {
        return expand.getMixedOutputShape()[dim];
      })
      .Case([&](tensor::CollapseShapeOp collapse) -> Size {
        ReassociationIndices group = collapse.getReassociationIndices()[dim];
        if (group.size() != 1)
          return std::nullopt;
        return findSize(collapse.getSrc(), group.front());
      })
      .Case([&](DestinationStyleOpInterface destination) {
        return findSize(
            destination.getTiedOpOperand(cast<OpResult>(value))->get(), dim);
      })
      .Default([](Operation *) -> Size { return std::nullopt; });
}

DictionaryAttr hybrid::findSymbol(ModuleOp module, StringRef role) {
  auto symbols = module->getAttrOfType<ArrayAttr>(kSymbolsAttr);
  for (Attribute attr : symbols ? symbols.getValue() : ArrayRef<Attribute>())
    if (auto symbol = cast<DictionaryAttr>(attr);
        symbol.getAs<StringAttr>("role").getValue() == role)
      return symbol;
  return {};
}

StringRef hybrid::findSymbolName(ModuleOp module, StringRef role) {
  DictionaryAttr symbol = findSymbol(module, role);
  return symbol ? symbol.getAs<StringAttr>("name").getValue() : StringRef();
}
