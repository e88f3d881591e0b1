//===- HybridProgramOps.cpp - states, weights, launches -------------------===//

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace hybrid;

/// Starts the message for constraint `number`.
static InFlightDiagnostic violates(Operation *op, unsigned number) {
  return op->emitOpError() << "C" << number << ": ";
}

//===----------------------------------------------------------------------===//
// WeightOp, ConcatWeightsOp, DequantizeWeightOp, PackWeightsOp
//===----------------------------------------------------------------------===//

/// The bytes of `type` in a file, one per boolean; none where they are not a
/// whole number or do not fit.
static std::optional<int64_t> getByteSize(RankedTensorType type) {
  Type element = type.getElementType();
  if (!element.isIntOrFloat())
    return std::nullopt;
  int64_t bytes = element.isInteger(1) ? 8 : element.getIntOrFloatBitWidth();
  for (int64_t size : type.getShape())
    if (llvm::MulOverflow(bytes, size, bytes))
      return std::nullopt;
  if (bytes % 8 != 0)
    return std::nullopt;
  return bytes / 8;
}

LogicalResult WeightOp::verify() {
  auto type = cast<RankedTensorType>(getResult().getType());
  if (!type.hasStaticShape())
    return violates(*this, 1)
           << "the result must have a static shape, but is " << type;
  std::optional<int64_t> bytes = getByteSize(type);
  if (!bytes)
    return violates(*this, 2) << "the size of " << type << " is not known";
  if (*bytes != getLength())
    return violates(*this, 2) << "length is " << getLength() << ", but " << type
                              << " takes " << *bytes << " bytes";
  if (getOffset() < 0)
    return violates(*this, 3)
           << "offset must be 0 or more, but is " << getOffset();
  return success();
}

LogicalResult ConcatWeightsOp::verify() {
  if (getWeights().size() < 2)
    return violates(*this, 1)
           << "needs at least two weights, but has " << getWeights().size();
  auto result = cast<RankedTensorType>(getResult().getType());
  int64_t axis = getAxis();
  if (axis < 0 || axis >= result.getRank())
    return violates(*this, 2) << "axis must be between 0 and "
                              << result.getRank() - 1 << ", but is " << axis;
  int64_t size = 0;
  for (Value weight : getWeights()) {
    auto type = cast<RankedTensorType>(weight.getType());
    SmallVector<int64_t> shape(type.getShape());
    if (type.getRank() == result.getRank()) {
      size += shape[axis];
      shape[axis] = result.getDimSize(axis);
    }
    if (!type.hasStaticShape() || !getByteSize(type) ||
        result != RankedTensorType::get(shape, type.getElementType()))
      return violates(*this, 3)
             << "a weight of type " << type << " is no part of " << result;
  }
  if (size != result.getDimSize(axis))
    return violates(*this, 3)
           << "the sizes of the weights along axis " << axis << " add up to "
           << size << ", but the result is " << result;
  return success();
}

/// Whether `size` is `wanted`, or 1, which broadcasts.
static bool broadcasts(int64_t size, int64_t wanted) {
  return size == wanted || size == 1;
}

LogicalResult DequantizeWeightOp::verify() {
  auto result = cast<RankedTensorType>(getResult().getType());
  int64_t bits = getBits(), block = getBlock(), axis = getAxis();
  if (result.getRank() != 2 || !result.hasStaticShape() ||
      !result.getElementType().isF32() || (bits != 4 && bits != 8) ||
      block < 1 || axis < 0 || axis > 1)
    return violates(*this, 1)
           << "the result must be a static matrix of f32, bits 4 or 8, block "
              "at "
              "least 1 and axis 0 or 1, but they are "
           << result << ", " << bits << ", " << block << " and " << axis;
  auto getBytes = [&](int64_t count) {
    return llvm::divideCeilSigned(count, 8 / bits);
  };
  int64_t rows = result.getDimSize(0), columns = result.getDimSize(1);
  auto integers = cast<RankedTensorType>(getIntegers().getType());
  if (integers.getRank() != 2 || !integers.hasStaticShape() ||
      !integers.getElementType().isInteger(8) ||
      integers.getDimSize(0) != rows ||
      integers.getDimSize(1) < getBytes(columns))
    return violates(*this, 2) << "integers of " << bits << " bits for "
                              << result << " cannot be " << integers;
  (axis == 0 ? rows : columns) =
      llvm::divideCeilSigned(axis == 0 ? rows : columns, block);
  auto scales = cast<RankedTensorType>(getScales().getType());
  auto type = dyn_cast<FloatType>(scales.getElementType());
  if (scales.getRank() != 2 || !scales.hasStaticShape() || !type ||
      type.getWidth() > 32 || type.getWidth() < 16 ||
      !broadcasts(scales.getDimSize(0), rows) ||
      !broadcasts(scales.getDimSize(1), columns))
    return violates(*this, 3)
           << "scales must be a float for each of " << rows << " x " << columns
           << " blocks, but are " << scales;
  if (!getZeroPoints())
    return success();
  auto zeros = cast<RankedTensorType>(getZeroPoints().getType());
  if (zeros != RankedTensorType::get(
                   {scales.getDimSize(0), getBytes(scales.getDimSize(1))},
                   integers.getElementType()))
    return violates(*this, 4) << "zero_points of " << bits << " bits for "
                              << scales << " cannot be " << zeros;
  return success();
}

/// Whether `type` holds a weight of `rows` rows in panels, see the attribute.
static bool isQuantized(RankedTensorType type, QuantizationAttr form,
                        int64_t rows, int64_t columns) {
  if (type.getRank() != 3 || !type.getElementType().isInteger(8))
    return false;
  int64_t panel = type.getDimSize(2) / form.getColumnBytes();
  return panel > 0 &&
         type.getShape() ==
             ArrayRef<int64_t>({llvm::divideCeilSigned(columns, panel),
                                llvm::divideCeilSigned(rows, form.getBlock()),
                                panel * form.getColumnBytes()});
}

LogicalResult PackWeightsOp::verify() {
  auto weight = cast<RankedTensorType>(getWeight().getType());
  auto result = cast<RankedTensorType>(getResult().getType());
  if (weight.getRank() != 2 || !weight.hasStaticShape() || !getByteSize(weight))
    return violates(*this, 1)
           << "weight must be static and of rank 2, but is " << weight;
  int64_t rows = weight.getDimSize(0), columns = weight.getDimSize(1);
  if (getTransposed())
    std::swap(rows, columns);
  if (QuantizationAttr form = getQuantizationAttr()) {
    if (!isa<FloatType>(weight.getElementType()) ||
        !isQuantized(result, form, rows, columns))
      return violates(*this, 3)
             << result << " is not " << weight << " in panels with " << form;
    return success();
  }
  int64_t panel = result.getRank() == 3 ? result.getDimSize(2) : 0;
  if (panel < 1 ||
      result != RankedTensorType::get(
                    {llvm::divideCeilSigned(columns, panel), rows, panel},
                    weight.getElementType()))
    return violates(*this, 2) << result << " is not " << weight << " in panels";
  return success();
}

//===----------------------------------------------------------------------===//
// StateOp, ReadStateOp, WriteStateOp
//===----------------------------------------------------------------------===//

LogicalResult StateOp::verify() {
  auto type = cast<RankedTensorType>(getType());
  int64_t rank = type.getRank();
  if (rank < 1 ||
      llvm::any_of(type.getShape().drop_front(), ShapedType::isDynamic))
    return violates(*this, 1)
           << "type must be of rank 1 or more and static in all dimensions but "
              "0, the batch, but is "
           << type;
  bool grows = getKind() == StateKind::KV || getKind() == StateKind::KVWindow;
  if (getLengthAxis().has_value() != grows)
    return violates(*this, 2)
           << "kind " << stringifyStateKind(getKind())
           << (grows ? " needs" : " has no") << " length_axis";
  if (!grows) {
    if (getSinkPrefix() || getCapacity())
      return violates(*this, 3) << "kind " << stringifyStateKind(getKind())
                                << " has no sink_prefix and capacity";
    return success();
  }
  int64_t axis = *getLengthAxis();
  if (axis < 1 || axis >= rank)
    return violates(*this, 2) << "length_axis must be between 1 and "
                              << rank - 1 << ", but is " << axis;
  bool isRing = getKind() == StateKind::KVWindow;
  if (getSinkPrefix().has_value() != isRing ||
      getCapacity().has_value() != isRing)
    return violates(*this, 3)
           << "kind " << stringifyStateKind(getKind())
           << (isRing ? " needs" : " has no") << " sink_prefix and capacity";
  int64_t size = type.getDimSize(axis);
  if (isRing && (*getSinkPrefix() < 0 || *getSinkPrefix() >= size ||
                 size > *getCapacity()))
    return violates(*this, 3)
           << "a ring of " << size << " positions cannot have sink_prefix "
           << *getSinkPrefix() << " and capacity " << *getCapacity();
  return success();
}

/// Checks that `op` names a state whose type agrees with `type`.
static LogicalResult verifyStateUse(Operation *op, SymbolTableCollection &table,
                                    FlatSymbolRefAttr name,
                                    RankedTensorType type) {
  auto state = table.lookupNearestSymbolFrom<StateOp>(op, name);
  if (!state)
    return violates(op, 1) << name << " is no hybrid.state";
  auto declared = cast<RankedTensorType>(state.getType());
  if (type.getRank() == declared.getRank() &&
      type.getElementType() == declared.getElementType() &&
      type.getShape().drop_front() == declared.getShape().drop_front() &&
      succeeded(verifyCompatibleShape(type, declared)))
    return success();
  InFlightDiagnostic error = violates(op, 2)
                             << "has type " << type << ", but the state "
                             << name << " is " << declared;
  error.attachNote(state.getLoc()) << "declared here";
  return error;
}

LogicalResult ReadStateOp::verifySymbolUses(SymbolTableCollection &table) {
  return verifyStateUse(*this, table, getStateAttr(),
                        cast<RankedTensorType>(getResult().getType()));
}

LogicalResult WriteStateOp::verifySymbolUses(SymbolTableCollection &table) {
  return verifyStateUse(*this, table, getStateAttr(),
                        cast<RankedTensorType>(getValue().getType()));
}

//===----------------------------------------------------------------------===//
// LaunchOp
//===----------------------------------------------------------------------===//

/// Whether a kernel with a parameter of type `parameter` takes an operand of
/// type `operand`: tensors and memrefs are alike, layouts do not count.
static bool takes(Type parameter, Type operand) {
  auto shaped = dyn_cast<ShapedType>(parameter);
  auto given = dyn_cast<ShapedType>(operand);
  if (!shaped || !given)
    return parameter == operand;
  return shaped.hasRank() && given.hasRank() &&
         shaped.getElementType() == given.getElementType() &&
         succeeded(verifyCompatibleShape(shaped, given));
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &table) {
  auto kernel =
      table.lookupNearestSymbolFrom<func::FuncOp>(*this, getKernelAttr());
  if (!kernel || !kernel->hasAttr("hybrid.kernel"))
    return violates(*this, 1)
           << getKernelAttr()
           << " is no func.func with the attribute hybrid.kernel";

  SmallVector<Type> operands(getInputs().getTypes());
  llvm::append_range(operands, getInits().getTypes());
  llvm::append_range(operands, getSizes().getTypes());
  if (getGrid())
    operands.push_back(getGrid().getType());
  if (operands.size() != kernel.getNumArguments()) {
    InFlightDiagnostic error = violates(*this, 2)
                               << "gives " << operands.size()
                               << " arguments to " << getKernelAttr()
                               << ", which takes " << kernel.getNumArguments();
    error.attachNote(kernel.getLoc()) << "declared here";
    return error;
  }
  for (auto [index, parameter, operand] :
       llvm::enumerate(kernel.getArgumentTypes(), operands))
    if (!takes(parameter, operand)) {
      InFlightDiagnostic error = violates(*this, 2)
                                 << "argument " << index << " of "
                                 << getKernelAttr() << " is " << parameter
                                 << ", but " << operand << " is given";
      error.attachNote(kernel.getLoc()) << "declared here";
      return error;
    }

  // Between bufferisation and the removal of results that are destinations, a
  // kernel on memrefs still returns them.
  TypeRange results = kernel.getResultTypes();
  bool isBuffered = getNumResults() == 0;
  bool agrees = results.size() == getInits().size() &&
                llvm::all_of_zip(results, getInits().getTypes(), takes);
  if (agrees || (isBuffered && results.empty()))
    return success();
  return violates(*this, 2)
         << getKernelAttr() << " must return one value per destination";
}
