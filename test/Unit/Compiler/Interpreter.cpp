//===- Interpreter.cpp - the meaning of level-2 programs ------------------===//

#include "Interpreter.h"

#include "Scalars.h"
#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace hybrid;
using namespace hybrid::test;

using TensorPtr = std::shared_ptr<RefTensor>;

static double toDouble(Attribute attr) {
  if (auto value = dyn_cast<FloatAttr>(attr)) {
    APFloat number = value.getValue();
    bool losesInfo;
    number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                   &losesInfo);
    return number.convertToDouble();
  }
  APInt bits = cast<IntegerAttr>(attr).getValue();
  return bits.getBitWidth() == 1 ? static_cast<double>(bits.getZExtValue())
                                 : static_cast<double>(bits.getSExtValue());
}

/// Moves `index` on by one in row-major order; false after the last one.
static bool next(MutableArrayRef<int64_t> index, ArrayRef<int64_t> shape) {
  for (size_t dim = index.size(); dim-- > 0;) {
    if (++index[dim] < shape[dim])
      return true;
    index[dim] = 0;
  }
  return false;
}

static SmallVector<int64_t> getStrides(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size(), 1);
  for (size_t dim = shape.size(); dim-- > 1;)
    strides[dim - 1] = strides[dim] * shape[dim];
  return strides;
}

static void round(RefTensor &tensor, Type type) {
  for (double &value : tensor.data)
    value = roundTo(type, value);
}

namespace {

/// The body of a linalg.generic as instructions on numbered slots.
struct CompiledBody {
  struct Instruction {
    /// Null for tensor.extract and linalg.index.
    ScalarFn fn;
    SmallVector<unsigned, 3> operands;
    unsigned result;
    TensorPtr tensor;
    int loop = -1;
  };
  std::vector<Instruction> instructions;
  std::vector<double> slots;
  SmallVector<unsigned> yields;
};

class Interpreter {
public:
  explicit Interpreter(CallData &data) : data(data) {}

  LogicalResult setArgument(Value value, const RefTensor &tensor) {
    return set(value, std::make_shared<RefTensor>(tensor));
  }
  /// Evaluates all but the terminator.
  LogicalResult run(Block &block) {
    for (Operation &op : block.without_terminator())
      if (failed(visit(&op)))
        return failure();
    return success();
  }
  const RefTensor &tensor(Value value) { return *tensors.at(value); }
  LogicalResult checkBounds(Operation *op, const RefTensor &tensor,
                            ArrayRef<int64_t> index);

private:
  double scalar(Value value) { return scalars.at(value); }
  int64_t number(Value value) { return static_cast<int64_t>(scalar(value)); }
  int64_t number(OpFoldResult value) {
    if (auto constant = getConstantIntValue(value))
      return *constant;
    return number(cast<Value>(value));
  }
  SmallVector<int64_t> numbers(ArrayRef<OpFoldResult> values) {
    return llvm::map_to_vector(values,
                               [&](OpFoldResult v) { return number(v); });
  }
  SmallVector<int64_t> numbers(ValueRange values) {
    return llvm::map_to_vector(values, [&](Value v) { return number(v); });
  }
  /// The tensor, to be changed; a copy if someone else needs it.
  TensorPtr take(Value value, Operation *user) {
    TensorPtr result = tensors.at(value);
    bool isLocal = value.getParentBlock() == user->getBlock();
    if (value.hasOneUse() && isLocal)
      tensors.erase(value);
    if (result.use_count() > 1)
      result = std::make_shared<RefTensor>(*result);
    return result;
  }
  LogicalResult set(Value value, TensorPtr tensor) {
    auto type = cast<RankedTensorType>(value.getType());
    if (failed(verifyCompatibleShape(type.getShape(), tensor->shape)) ||
        tensor->data.size() != RefTensor::count(tensor->shape))
      return emitError(value.getLoc())
             << "a value of type " << type << " has another shape here";
    tensors[value] = std::move(tensor);
    return success();
  }
  LogicalResult set(Value value, RefTensor tensor) {
    return set(value, std::make_shared<RefTensor>(std::move(tensor)));
  }
  /// The same elements with another shape.
  LogicalResult setView(Value value, Value source, ArrayRef<int64_t> shape) {
    RefTensor result(tensor(source));
    result.shape.assign(shape.begin(), shape.end());
    return set(value, std::move(result));
  }

  LogicalResult visit(Operation *op);
  LogicalResult visitScalar(Operation *op);
  LogicalResult visitConstant(arith::ConstantOp op);
  LogicalResult visitSlice(tensor::ExtractSliceOp op);
  LogicalResult visitSlice(tensor::InsertSliceOp op);
  LogicalResult visitLoop(scf::ForOp op);
  LogicalResult visitGeneric(linalg::GenericOp op);
  LogicalResult visitParallel(ParallelOp op);
  LogicalResult visitComputation(Operation *op);
  LogicalResult visitMap(Operation *op, AffineMap map,
                         function_ref<int64_t(int64_t, int64_t)> combine);
  FailureOr<CompiledBody> compile(linalg::GenericOp op);

  CallData &data;
  llvm::DenseMap<Value, TensorPtr> tensors;
  llvm::DenseMap<Value, double> scalars;
};

} // namespace

LogicalResult Interpreter::checkBounds(Operation *op, const RefTensor &tensor,
                                       ArrayRef<int64_t> index) {
  for (auto [i, size] : llvm::zip(index, tensor.shape))
    if (i < 0 || i >= size)
      return op->emitOpError()
             << "has the index " << i << " in a dimension of size " << size;
  return success();
}

LogicalResult Interpreter::visit(Operation *op) {
  return TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](arith::ConstantOp op) { return visitConstant(op); })
      .Case([&](DimOp op) -> LogicalResult {
        auto size = data.dims.find(op.getName());
        if (size == data.dims.end())
          return op.emitOpError("is not known");
        scalars[op] = size->second;
        return success();
      })
      .Case([&](affine::AffineApplyOp op) {
        return visitMap(op, op.getAffineMap(), nullptr);
      })
      .Case([&](affine::AffineMinOp op) {
        return visitMap(op, op.getMap(),
                        [](int64_t a, int64_t b) { return std::min(a, b); });
      })
      .Case([&](affine::AffineMaxOp op) {
        return visitMap(op, op.getMap(),
                        [](int64_t a, int64_t b) { return std::max(a, b); });
      })
      .Case([&](affine::AffineDelinearizeIndexOp op) {
        SmallVector<int64_t> basis = numbers(op.getMixedBasis());
        int64_t rest = number(op.getLinearIndex());
        for (Value result : llvm::reverse(op.getResults())) {
          bool isOuter = basis.empty();
          int64_t size = isOuter ? 1 : basis.pop_back_val();
          scalars[result] = isOuter ? rest : rest % size;
          rest /= size;
        }
        return success();
      })
      .Case([&](WeightOp op) {
        return set(op, data.weights.at(op.getName().str()));
      })
      .Case([&](ReadStateOp op) {
        return set(op, data.states.at(op.getState().str()));
      })
      .Case([&](tensor::EmptyOp op) {
        // Nothing may depend on what an empty tensor holds.
        return set(op, RefTensor(numbers(op.getMixedSizes()), NAN));
      })
      .Case([&](tensor::CastOp op) {
        return set(op, tensors.at(op.getSource()));
      })
      .Case([&](tensor::CollapseShapeOp op) {
        SmallVector<int64_t> shape;
        for (ArrayRef<int64_t> group : op.getReassociationIndices()) {
          shape.push_back(1);
          for (int64_t dim : group)
            shape.back() *= tensor(op.getSrc()).shape[dim];
        }
        return setView(op, op.getSrc(), shape);
      })
      .Case([&](tensor::ExpandShapeOp op) {
        return setView(op, op.getSrc(), numbers(op.getMixedOutputShape()));
      })
      .Case<tensor::ExtractSliceOp, tensor::InsertSliceOp>(
          [&](auto op) { return visitSlice(op); })
      .Case([&](tensor::ExtractOp op) -> LogicalResult {
        SmallVector<int64_t> index = numbers(op.getIndices());
        if (failed(checkBounds(op, tensor(op.getTensor()), index)))
          return failure();
        scalars[op] = tensor(op.getTensor()).at(index);
        return success();
      })
      .Case([&](tensor::InsertOp op) -> LogicalResult {
        TensorPtr result = take(op.getDest(), op);
        SmallVector<int64_t> index = numbers(op.getIndices());
        if (failed(checkBounds(op, *result, index)))
          return failure();
        result->at(index) = scalar(op.getScalar());
        return set(op, result);
      })
      .Case([&](linalg::FillOp op) {
        return set(op->getResult(0), RefTensor(tensor(op.getOutputs()[0]).shape,
                                               scalar(op.getInputs()[0])));
      })
      .Case([&](linalg::GenericOp op) { return visitGeneric(op); })
      .Case([&](scf::ForOp op) { return visitLoop(op); })
      .Case([&](ParallelOp op) { return visitParallel(op); })
      // Applied at the end: reads see the value before the call.
      .Case([&](WriteStateOp) { return success(); })
      .Case([&](CostModelInterface op) { return visitComputation(op); })
      .Default([&](Operation *op) { return visitScalar(op); });
}

LogicalResult Interpreter::visitScalar(Operation *op) {
  ScalarFn fn = getScalarFunction(op, /*exact=*/false);
  if (!fn)
    return op->emitOpError("is not known to the interpreter");
  SmallVector<double> operands = llvm::map_to_vector(
      op->getOperands(), [&](Value value) { return scalar(value); });
  scalars[op->getResult(0)] = fn(operands.data());
  return success();
}

LogicalResult Interpreter::visitConstant(arith::ConstantOp op) {
  auto elements = dyn_cast<DenseElementsAttr>(op.getValue());
  if (!elements) {
    scalars[op] = toDouble(op.getValue());
    return success();
  }
  RefTensor result(elements.getType().getShape());
  for (auto [i, value] : llvm::enumerate(elements.getValues<Attribute>()))
    result.data[i] = toDouble(value);
  return set(op, std::move(result));
}

LogicalResult
Interpreter::visitMap(Operation *op, AffineMap map,
                      function_ref<int64_t(int64_t, int64_t)> combine) {
  Builder b(op->getContext());
  SmallVector<Attribute> operands =
      llvm::map_to_vector(op->getOperands(), [&](Value value) -> Attribute {
        return b.getIndexAttr(number(value));
      });
  SmallVector<Attribute> results;
  if (failed(map.constantFold(operands, results)))
    return op->emitOpError("cannot be evaluated");
  int64_t value = cast<IntegerAttr>(results.front()).getInt();
  for (Attribute other : ArrayRef(results).drop_front())
    value = combine(value, cast<IntegerAttr>(other).getInt());
  scalars[op->getResult(0)] = value;
  return success();
}

/// Calls `fn` with the place of each element of a slice, in order.
static LogicalResult forEachInSlice(Operation *op, const RefTensor &tensor,
                                    ArrayRef<int64_t> offsets,
                                    ArrayRef<int64_t> sizes,
                                    ArrayRef<int64_t> strides,
                                    function_ref<void(size_t)> fn) {
  if (RefTensor::count(sizes) == 0)
    return success();
  for (auto [offset, size, stride, extent] :
       llvm::zip(offsets, sizes, strides, tensor.shape))
    if (offset < 0 || offset + (size - 1) * stride >= extent)
      return op->emitOpError("leaves its tensor");
  SmallVector<int64_t> index(sizes.size(), 0), steps = getStrides(tensor.shape);
  do {
    size_t place = 0;
    for (size_t dim = 0; dim < index.size(); ++dim)
      place += (offsets[dim] + index[dim] * strides[dim]) * steps[dim];
    fn(place);
  } while (next(index, sizes));
  return success();
}

LogicalResult Interpreter::visitSlice(tensor::ExtractSliceOp op) {
  const RefTensor &source = tensor(op.getSource());
  SmallVector<int64_t> sizes = numbers(op.getMixedSizes());
  SmallVector<int64_t> shape;
  llvm::SmallBitVector dropped = op.getDroppedDims();
  for (auto [dim, size] : llvm::enumerate(sizes))
    if (!dropped.test(dim))
      shape.push_back(size);
  RefTensor result(shape);
  size_t at = 0;
  if (failed(forEachInSlice(op, source, numbers(op.getMixedOffsets()), sizes,
                            numbers(op.getMixedStrides()), [&](size_t place) {
                              result.data[at++] = source.data[place];
                            })))
    return failure();
  return set(op, std::move(result));
}

LogicalResult Interpreter::visitSlice(tensor::InsertSliceOp op) {
  TensorPtr result = take(op.getDest(), op);
  const RefTensor &source = tensor(op.getSource());
  SmallVector<int64_t> sizes = numbers(op.getMixedSizes());
  if (RefTensor::count(sizes) != source.data.size())
    return op.emitOpError("inserts a tensor of another size");
  size_t at = 0;
  if (failed(forEachInSlice(op, *result, numbers(op.getMixedOffsets()), sizes,
                            numbers(op.getMixedStrides()), [&](size_t place) {
                              result->data[place] = source.data[at++];
                            })))
    return failure();
  return set(op, result);
}

LogicalResult Interpreter::visitLoop(scf::ForOp op) {
  SmallVector<TensorPtr> carried = llvm::map_to_vector(
      op.getInitArgs(), [&](Value init) { return take(init, op); });
  int64_t low = number(op.getLowerBound()), high = number(op.getUpperBound()),
          step = number(op.getStep());
  for (int64_t i = low; i < high; i += step) {
    scalars[op.getInductionVar()] = i;
    for (auto [argument, value] : llvm::zip(op.getRegionIterArgs(), carried))
      if (failed(set(argument, std::move(value))))
        return failure();
    if (failed(run(*op.getBody())))
      return failure();
    for (auto [value, yielded] :
         llvm::zip(carried, op.getBody()->getTerminator()->getOperands()))
      value = take(yielded, op.getBody()->getTerminator());
  }
  for (auto [result, value] : llvm::zip(op.getResults(), carried))
    if (failed(set(result, value)))
      return failure();
  return success();
}

LogicalResult Interpreter::visitParallel(ParallelOp op) {
  std::vector<RefTensor> operands;
  for (Value weight : op.getWeights())
    operands.push_back(tensor(weight));
  for (Region &branch : op.getBranches()) {
    if (failed(run(branch.front())))
      return failure();
    operands.push_back(tensor(branch.front().getTerminator()->getOperand(0)));
  }
  FailureOr<std::vector<RefTensor>> results = evaluate(op, operands, {});
  if (failed(results))
    return failure();
  round(results->front(), op.getResult().getType().getElementType());
  return set(op.getResult(), std::move(results->front()));
}

LogicalResult Interpreter::visitComputation(Operation *op) {
  std::vector<RefTensor> operands;
  SmallVector<int64_t> indices;
  for (Value value : op->getOperands()) {
    if (value.getType().isIndex())
      indices.push_back(number(value));
    else
      operands.push_back(tensor(value));
  }
  FailureOr<std::vector<RefTensor>> results = evaluate(op, operands, indices);
  if (failed(results))
    return failure();
  for (auto [value, result] : llvm::zip(op->getResults(), *results)) {
    round(result, cast<ShapedType>(value.getType()).getElementType());
    if (failed(set(value, std::move(result))))
      return failure();
  }
  return success();
}

//===----------------------------------------------------------------------===//
// linalg.generic
//===----------------------------------------------------------------------===//

FailureOr<CompiledBody> Interpreter::compile(linalg::GenericOp op) {
  CompiledBody body;
  llvm::DenseMap<Value, unsigned> slotOf;
  auto addSlot = [&](Value value, double content) {
    slotOf[value] = body.slots.size();
    body.slots.push_back(content);
  };
  auto getSlot = [&](Value value) {
    if (!slotOf.contains(value))
      addSlot(value, scalar(value));
    return slotOf[value];
  };
  for (BlockArgument argument : op.getBody()->getArguments())
    addSlot(argument, 0);
  bool exact = op.getNumReductionLoops() > 0;
  for (Operation &inner : op.getBody()->without_terminator()) {
    if (auto constant = dyn_cast<arith::ConstantOp>(inner)) {
      addSlot(constant, toDouble(constant.getValue()));
      continue;
    }
    CompiledBody::Instruction instruction;
    ValueRange operands = inner.getOperands();
    if (auto extract = dyn_cast<tensor::ExtractOp>(inner)) {
      instruction.tensor = tensors.at(extract.getTensor());
      operands = extract.getIndices();
    } else if (auto index = dyn_cast<linalg::IndexOp>(inner)) {
      instruction.loop = index.getDim();
    } else {
      instruction.fn = getScalarFunction(&inner, exact);
      if (!instruction.fn)
        return inner.emitOpError("is not known to the interpreter");
    }
    for (Value operand : operands)
      instruction.operands.push_back(getSlot(operand));
    addSlot(inner.getResult(0), 0);
    instruction.result = slotOf[inner.getResult(0)];
    body.instructions.push_back(std::move(instruction));
  }
  for (Value value : op.getBody()->getTerminator()->getOperands())
    body.yields.push_back(getSlot(value));
  return body;
}

LogicalResult Interpreter::visitGeneric(linalg::GenericOp op) {
  unsigned numLoops = op.getNumLoops(), numInputs = op.getNumDpsInputs();
  SmallVector<int64_t> extents(numLoops, -1);
  /// Per operand: the step of its place for each loop.
  SmallVector<SmallVector<int64_t>> steps;
  for (OpOperand &operand : op->getOpOperands()) {
    const RefTensor &value = tensor(operand.get());
    SmallVector<int64_t> strides = getStrides(value.shape), step(numLoops, 0);
    AffineMap map = op.getMatchingIndexingMap(&operand);
    for (auto [dim, expr] : llvm::enumerate(map.getResults())) {
      auto loop = dyn_cast<AffineDimExpr>(expr);
      if (!loop)
        return op.emitOpError("has a map that is no projected permutation");
      int64_t &extent = extents[loop.getPosition()];
      if (extent >= 0 && extent != value.shape[dim])
        return op.emitOpError("has operands of different sizes: ")
               << extent << " and " << value.shape[dim];
      extent = value.shape[dim];
      step[loop.getPosition()] += strides[dim];
    }
    steps.push_back(step);
  }
  FailureOr<CompiledBody> body = compile(op);
  if (failed(body))
    return failure();
  SmallVector<TensorPtr> results;
  SmallVector<const double *> inputs;
  for (unsigned i = 0; i < numInputs; ++i)
    inputs.push_back(tensor(op->getOperand(i)).data.data());
  for (Value init : op.getDpsInits())
    results.push_back(std::make_shared<RefTensor>(tensor(init)));

  SmallVector<int64_t> loops(numLoops, 0);
  auto placeOf = [&](unsigned operand) {
    size_t place = 0;
    for (unsigned i = 0; i < numLoops; ++i)
      place += loops[i] * steps[operand][i];
    return place;
  };
  double operands[8];
  SmallVector<int64_t> index;
  std::vector<double> &slots = body->slots;
  bool isEmpty = llvm::is_contained(extents, 0);
  if (!isEmpty)
    do {
      for (unsigned i = 0; i < numInputs; ++i)
        slots[i] = inputs[i][placeOf(i)];
      for (auto [i, result] : llvm::enumerate(results))
        slots[numInputs + i] = result->data[placeOf(numInputs + i)];
      for (const CompiledBody::Instruction &instruction : body->instructions) {
        double &result = slots[instruction.result];
        if (instruction.fn) {
          for (auto [i, slot] : llvm::enumerate(instruction.operands))
            operands[i] = slots[slot];
          result = instruction.fn(operands);
        } else if (instruction.loop >= 0) {
          result = loops[instruction.loop];
        } else {
          index.clear();
          for (unsigned slot : instruction.operands)
            index.push_back(static_cast<int64_t>(slots[slot]));
          if (failed(checkBounds(op, *instruction.tensor, index)))
            return failure();
          result = instruction.tensor->at(index);
        }
      }
      for (auto [i, result] : llvm::enumerate(results))
        result->data[placeOf(numInputs + i)] = slots[body->yields[i]];
    } while (next(loops, extents));
  for (auto [value, result] : llvm::zip(op.getResults(), results))
    if (failed(set(value, result)))
      return failure();
  return success();
}

FailureOr<std::vector<RefTensor>>
hybrid::test::interpret(func::FuncOp entry, ArrayRef<RefTensor> arguments,
                        CallData &data) {
  Interpreter interpreter(data);
  Block &body = entry.getBody().front();
  for (auto [parameter, argument] : llvm::zip(body.getArguments(), arguments))
    if (failed(interpreter.setArgument(parameter, argument)))
      return failure();
  if (failed(interpreter.run(body)))
    return failure();
  std::vector<RefTensor> results;
  for (Value value : body.getTerminator()->getOperands())
    results.push_back(interpreter.tensor(value));
  for (auto write : body.getOps<WriteStateOp>())
    data.states[write.getState().str()] = interpreter.tensor(write.getValue());
  return results;
}
