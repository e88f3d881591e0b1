//===- ShapeEvaluator.cpp - shapes at concrete values of symbols ----------===//

#include "hybrid/Schedule/CostModel.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace hybrid {

llvm::StringMap<int64_t> getLongestSequence(ModuleOp module) {
  llvm::StringMap<int64_t> values;
  auto symbols = module->getAttrOfType<ArrayAttr>(kSymbolsAttr);
  for (Attribute symbol :
       symbols ? symbols.getValue() : ArrayRef<Attribute>()) {
    auto info = cast<DictionaryAttr>(symbol);
    auto role = info.getAs<StringAttr>("role");
    bool isBatch = role && role.getValue() == "batch";
    values[info.getAs<StringAttr>("name").getValue()] =
        isBatch ? 1 : info.getAs<IntegerAttr>("capacity").getInt();
  }
  return values;
}

void ShapeEvaluator::setIndex(Value value, int64_t number) {
  constants[value] = IntegerAttr::get(value.getType(), number);
}

std::optional<int64_t> ShapeEvaluator::getIndex(Value value) {
  if (auto number = dyn_cast_if_present<IntegerAttr>(getConstant(value)))
    return number.getValue().getSExtValue();
  return std::nullopt;
}

Attribute ShapeEvaluator::getConstant(Value value) {
  auto known = constants.find(value);
  if (known != constants.end())
    return known->second;
  auto result = dyn_cast<OpResult>(value);
  Attribute constant = result && value.getType().isIntOrIndex()
                           ? computeConstant(result)
                           : Attribute();
  return constants[value] = constant;
}

/// What the operation folds to on the numbers that its operands hold.
Attribute ShapeEvaluator::computeConstant(OpResult result) {
  Operation *op = result.getOwner();
  if (auto dim = dyn_cast<DimOp>(op)) {
    auto symbol = symbols.find(dim.getName());
    if (symbol == symbols.end())
      return {};
    return IntegerAttr::get(result.getType(), symbol->second);
  }
  if (auto dim = dyn_cast<tensor::DimOp>(op)) {
    std::optional<int64_t> index = getIndex(dim.getIndex());
    std::optional<Shape> shape = getShape(dim.getSource());
    if (!index || !shape || *index < 0 || *index >= int64_t(shape->size()))
      return {};
    return IntegerAttr::get(result.getType(), (*shape)[*index]);
  }
  Attribute constant;
  if (matchPattern(result, m_Constant(&constant)))
    return constant;
  if (!isMemoryEffectFree(op) || op->getNumRegions())
    return {};
  SmallVector<Attribute> operands;
  for (Value operand : op->getOperands()) {
    operands.push_back(getConstant(operand));
    if (!operands.back())
      return {};
  }
  // Folded on a copy: folding may rewrite an operation in place.
  Operation *copy = op->clone();
  SmallVector<OpFoldResult> folded;
  LogicalResult done = copy->fold(operands, folded);
  copy->destroy();
  if (failed(done) || folded.size() != op->getNumResults())
    return {};
  OpFoldResult number = folded[result.getResultNumber()];
  if (auto attribute = dyn_cast<Attribute>(number))
    return attribute;
  return getConstant(cast<Value>(number));
}

std::optional<ShapeEvaluator::Shape> ShapeEvaluator::getShape(Value value) {
  auto known = shapes.find(value);
  if (known != shapes.end())
    return known->second;
  std::optional<Shape> shape = computeShape(value);
  if (shape)
    shapes[value] = *shape;
  return shape;
}

std::optional<ShapeEvaluator::Shape>
ShapeEvaluator::resolve(ArrayRef<OpFoldResult> sizes) {
  Shape shape;
  for (OpFoldResult size : sizes) {
    std::optional<int64_t> number = getConstantIntValue(size);
    if (!number)
      number = getIndex(cast<Value>(size));
    if (!number)
      return std::nullopt;
    shape.push_back(*number);
  }
  return shape;
}

std::optional<ShapeEvaluator::Shape> ShapeEvaluator::computeShape(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type)
    return std::nullopt;
  if (type.hasStaticShape())
    return Shape(type.getShape());
  Operation *op = value.getDefiningOp();
  if (!op)
    return std::nullopt;
  if (isa<ReadStateOp>(op)) {
    Shape shape(type.getShape());
    llvm::replace(shape, ShapedType::kDynamic, batch);
    return shape;
  }
  if (auto empty = dyn_cast<tensor::EmptyOp>(op))
    return resolve(empty.getMixedSizes());
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
    return resolve(expand.getMixedOutputShape());
  if (auto cast = dyn_cast<tensor::CastOp>(op))
    return getShape(cast.getSource());
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    llvm::SmallBitVector dropped = slice.getDroppedDims();
    SmallVector<OpFoldResult> sizes;
    for (auto [i, size] : llvm::enumerate(slice.getMixedSizes()))
      if (!dropped.test(i))
        sizes.push_back(size);
    return resolve(sizes);
  }
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op)) {
    std::optional<Shape> source = getShape(collapse.getSrc());
    if (!source)
      return std::nullopt;
    Shape shape;
    for (const ReassociationIndices &group : collapse.getReassociationIndices())
      shape.push_back(
          llvm::accumulate(group, int64_t(1), [&](int64_t size, int64_t i) {
            return size * (*source)[i];
          }));
    return shape;
  }
  if (auto insert = dyn_cast<tensor::InsertSliceOp>(op))
    return getShape(insert.getDest());
  if (auto destination = dyn_cast<DestinationStyleOpInterface>(op))
    return getShape(destination.getTiedOpOperand(cast<OpResult>(value))->get());
  return std::nullopt;
}

} // namespace hybrid
