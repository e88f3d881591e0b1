//===- Interpreter.cpp - functions of hybrid operations -------------------===//
//
// Evaluates straight-line code, one operation after the other. Scalars and
// index values are tensors of rank 0.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "hybrid/Dialect/Hybrid/Reference/Evaluator.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace hybrid;

static double toDouble(APFloat value) {
  bool losesInfo;
  value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                &losesInfo);
  return value.convertToDouble();
}

static double toDouble(const APInt &value) {
  return value.getBitWidth() == 1 ? static_cast<double>(value.getZExtValue())
                                  : static_cast<double>(value.getSExtValue());
}

static RefTensor scalar(double value) { return RefTensor({}, value); }

namespace {
/// Evaluates the operations of a block in order.
class Interpreter {
public:
  explicit Interpreter(const llvm::StringMap<int64_t> &dims) : dims(dims) {}

  void set(Value value, RefTensor tensor) { values[value] = std::move(tensor); }

  /// The values of `block`'s terminator.
  FailureOr<std::vector<RefTensor>> run(Block &block) {
    for (Operation &op : block.without_terminator())
      if (failed(visit(&op)))
        return failure();
    std::vector<RefTensor> results;
    for (Value value : block.getTerminator()->getOperands())
      results.push_back(get(value));
    return results;
  }

private:
  const RefTensor &get(Value value) const { return values.find(value)->second; }

  int64_t getIndex(Value value) const {
    return static_cast<int64_t>(get(value).data.front());
  }

  LogicalResult visit(Operation *op) {
    return TypeSwitch<Operation *, LogicalResult>(op)
        .Case<arith::ConstantOp, tensor::EmptyOp, tensor::DimOp, linalg::FillOp,
              DimOp, ParallelOp, CostModelInterface>(
            [&](auto known) { return evaluateOp(known); })
        .Default([](Operation *op) {
          return op->emitOpError("is not known to the reference interpreter");
        });
  }

  LogicalResult evaluateOp(arith::ConstantOp op) {
    auto elements = dyn_cast<DenseElementsAttr>(op.getValue());
    if (auto value = dyn_cast<FloatAttr>(op.getValue()))
      set(op, scalar(toDouble(value.getValue())));
    else if (auto value = dyn_cast<IntegerAttr>(op.getValue()))
      set(op, scalar(toDouble(value.getValue())));
    else if (elements && elements.getElementType().isIntOrIndexOrFloat())
      set(op, toTensor(elements));
    else
      return op.emitOpError("is no dense constant of numbers");
    return success();
  }

  static RefTensor toTensor(DenseElementsAttr elements) {
    RefTensor tensor(elements.getType().getShape());
    if (isa<FloatType>(elements.getElementType()))
      for (auto [i, value] : llvm::enumerate(elements.getValues<APFloat>()))
        tensor.data[i] = toDouble(value);
    else
      for (auto [i, value] : llvm::enumerate(elements.getValues<APInt>()))
        tensor.data[i] = toDouble(value);
    return tensor;
  }

  LogicalResult evaluateOp(tensor::EmptyOp op) {
    SmallVector<int64_t> shape;
    for (OpFoldResult size : op.getMixedSizes()) {
      std::optional<int64_t> constant = getConstantIntValue(size);
      shape.push_back(constant ? *constant : getIndex(cast<Value>(size)));
      if (shape.back() < 0)
        return op.emitOpError("has the negative size ") << shape.back();
    }
    set(op, RefTensor(shape));
    return success();
  }

  LogicalResult evaluateOp(tensor::DimOp op) {
    ArrayRef<int64_t> shape = get(op.getSource()).shape;
    int64_t dim = getIndex(op.getIndex());
    if (dim < 0 || dim >= static_cast<int64_t>(shape.size()))
      return op.emitOpError("has no dimension ") << dim;
    set(op, scalar(shape[dim]));
    return success();
  }

  LogicalResult evaluateOp(linalg::FillOp op) {
    if (op->getNumResults() != 1)
      return op.emitOpError("must be on tensors");
    double value = get(op.getInputs().front()).data.front();
    set(op->getResult(0), RefTensor(get(op.getOutputs().front()).shape, value));
    return success();
  }

  LogicalResult evaluateOp(DimOp op) {
    auto size = dims.find(op.getName());
    if (size == dims.end())
      return op.emitOpError("has no value for '") << op.getName() << "'";
    set(op, scalar(size->second));
    return success();
  }

  LogicalResult evaluateOp(ParallelOp op) {
    std::vector<RefTensor> operands, others;
    for (Value weight : op.getWeights())
      operands.push_back(get(weight));
    for (Region &branch : op.getBranches()) {
      FailureOr<std::vector<RefTensor>> values = run(branch.front());
      if (failed(values))
        return failure();
      operands.push_back(std::move(values->front()));
      std::move(values->begin() + 1, values->end(), std::back_inserter(others));
    }
    FailureOr<std::vector<RefTensor>> results = evaluate(op, operands, {});
    if (succeeded(results))
      std::move(others.begin(), others.end(), std::back_inserter(*results));
    return setResults(op, std::move(results));
  }

  LogicalResult evaluateOp(CostModelInterface op) {
    std::vector<RefTensor> operands;
    SmallVector<int64_t> indices;
    for (Value value : op->getOperands()) {
      if (value.getType().isIndex())
        indices.push_back(getIndex(value));
      else
        operands.push_back(get(value));
    }
    return setResults(op, evaluate(op, operands, indices));
  }

  LogicalResult setResults(Operation *op,
                           FailureOr<std::vector<RefTensor>> results) {
    if (failed(results))
      return failure();
    for (auto [value, result] : llvm::zip(op->getResults(), *results))
      set(value, std::move(result));
    return success();
  }

  const llvm::StringMap<int64_t> &dims;
  DenseMap<Value, RefTensor> values;
};
} // namespace

FailureOr<std::vector<RefTensor>>
hybrid::evaluateFunction(func::FuncOp function, ArrayRef<RefTensor> arguments,
                         const llvm::StringMap<int64_t> &dims) {
  if (arguments.size() != function.getNumArguments())
    return function.emitOpError("takes ")
           << function.getNumArguments() << " arguments, but "
           << arguments.size() << " are given";
  if (!function.getBody().hasOneBlock())
    return function.emitOpError("must have one block to be evaluated");
  for (Type type : function.getArgumentTypes())
    if (!isa<RankedTensorType>(type) && !type.isIndex())
      return function.emitOpError("has an argument of type ")
             << type << ", which cannot be evaluated";
  Interpreter interpreter(dims);
  for (auto [parameter, argument] :
       llvm::zip(function.getArguments(), arguments))
    interpreter.set(parameter, argument);
  return interpreter.run(function.getBody().front());
}
