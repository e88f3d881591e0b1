//===- Lowering.cpp - from onnx ops to level 2 ----------------------------===//

#include "Lowering.h"

#include "LoweringImpl.h"
#include "Scalars.h"
#include "hybrid/Dialect/Hybrid/IR/HybridOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/ReshapeOpsUtils.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

namespace hybrid {

Lowering::Lowering(OpBuilder &builder, onnx::SymbolicShapes &symbols)
    : b(builder), loc(builder.getUnknownLoc()), symbols(symbols),
      impl(std::make_shared<Impl>()) {}

//===----------------------------------------------------------------------===//
// Values of the ONNX graph
//===----------------------------------------------------------------------===//

bool Lowering::isAbsent(Value value) {
  return !value || isa<NoneType>(value.getType());
}

bool Lowering::isNeeded(Value result) const {
  return !isAbsent(result) &&
         llvm::any_of(result.getUsers(), [&](Operation *user) {
           return impl->live.contains(
               impl->graph->findAncestorOpInBlock(*user));
         });
}

ShapeRef Lowering::shape(Value value) const {
  std::optional<ShapeRef> shape = symbols.getShape(value);
  assert(shape && "the pass has checked that the rank is known");
  return *shape;
}

Type Lowering::elementType(Value value) const {
  Type type = mlir::cast<TensorType>(value.getType()).getElementType();
  if (auto integer = dyn_cast<IntegerType>(type))
    return IntegerType::get(b.getContext(), integer.getWidth());
  return type;
}

bool Lowering::isUnsigned(Value value) const {
  return mlir::cast<TensorType>(value.getType())
      .getElementType()
      .isUnsignedInteger();
}

/// `attr` with signless elements.
static DenseElementsAttr makeSignless(DenseElementsAttr attr) {
  auto integer = dyn_cast<IntegerType>(attr.getElementType());
  if (!integer || integer.isSignless())
    return attr;
  return attr.bitcast(IntegerType::get(attr.getContext(), integer.getWidth()));
}

std::optional<SmallVector<AffineExpr>>
Lowering::Impl::getKnown(const onnx::SymbolicShapes &symbols, Value value) {
  std::optional<SmallVector<AffineExpr>> elements = symbols.getElements(value);
  if (!elements)
    return std::nullopt;
  for (AffineExpr element : *elements)
    if (symbols.dependsOnData(element))
      return std::nullopt;
  return elements;
}

std::optional<DenseElementsAttr> Lowering::constant(Value value) const {
  constexpr int64_t kMaxElements = 1 << 16;
  if (isAbsent(value))
    return std::nullopt;
  if (auto op = value.getDefiningOp<onnx::ConstantOp>()) {
    auto attr = dyn_cast<DenseElementsAttr>(op.getValue());
    if (!attr || attr.getNumElements() > kMaxElements)
      return std::nullopt;
    return makeSignless(attr);
  }
  std::optional<SmallVector<AffineExpr>> known = Impl::getKnown(symbols, value);
  auto integer = dyn_cast<IntegerType>(elementType(value));
  if (!known || !integer)
    return std::nullopt;
  SmallVector<APInt> elements;
  for (AffineExpr element : *known) {
    std::optional<int64_t> fixed = getFixed(element);
    if (!fixed)
      return std::nullopt;
    elements.push_back(APInt(integer.getWidth(), *fixed, /*isSigned=*/true,
                             /*implicitTrunc=*/true));
  }
  SmallVector<int64_t> dims;
  for (AffineExpr dim : shape(value))
    dims.push_back(*getFixed(dim));
  return DenseElementsAttr::get(RankedTensorType::get(dims, integer), elements);
}

std::optional<SmallVector<int64_t>> Lowering::constantInts(Value value) const {
  std::optional<DenseElementsAttr> attr = constant(value);
  if (!attr || !isa<IntegerType>(attr->getElementType()))
    return std::nullopt;
  bool zeroExtend = isUnsigned(value) || attr->getElementType().isInteger(1);
  SmallVector<int64_t> elements;
  for (const APInt &element : attr->getValues<APInt>())
    elements.push_back(zeroExtend ? element.getZExtValue()
                                  : element.getSExtValue());
  return elements;
}

std::optional<double> Lowering::constantScalar(Value value) const {
  std::optional<DenseElementsAttr> attr = constant(value);
  if (!attr || attr->getNumElements() != 1)
    return std::nullopt;
  if (isa<FloatType>(attr->getElementType())) {
    APFloat element = *attr->getValues<APFloat>().begin();
    bool losesInfo;
    element.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                    &losesInfo);
    return element.convertToDouble();
  }
  if (std::optional<SmallVector<int64_t>> ints = constantInts(value))
    return static_cast<double>(ints->front());
  return std::nullopt;
}

std::optional<int64_t> Lowering::normalizeAxis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank)
    return std::nullopt;
  return axis < 0 ? axis + rank : axis;
}

Tensor Lowering::get(Value value) {
  if (isAbsent(value))
    return {};
  auto it = impl->values.find(value);
  if (it != impl->values.end())
    return it->second;
  Tensor tensor = materialize(value);
  impl->values[value] = tensor;
  return tensor;
}

Tensor Lowering::materialize(Value value) {
  if (State *state = getPastState(value)) {
    Tensor whole = readState(*state);
    if (state->lengthAxis < 0)
      return whole;
    return extractSlice(whole, Shape(whole.getRank(), fixed(0)), shape(value));
  }
  if (auto op = value.getDefiningOp<onnx::InitializerOp>()) {
    onnx::SourceAttr source = op.getSource();
    Shape dims(shape(value));
    auto weight = WeightOp::create(
        b, op.getLoc(), type(dims, elementType(value)), op.getName(),
        source.getFile(), source.getOffset(), source.getLength());
    return {weight, dims};
  }
  if (std::optional<DenseElementsAttr> attr = constant(value))
    return {arith::ConstantOp::create(b, loc, *attr), Shape(shape(value))};
  if (auto op = value.getDefiningOp<onnx::ConstantOp>())
    if (auto attr = dyn_cast<DenseElementsAttr>(op.getValue()))
      return {arith::ConstantOp::create(b, loc, makeSignless(attr)),
              Shape(shape(value))};
  if (std::optional<SmallVector<AffineExpr>> known =
          Impl::getKnown(symbols, value))
    return materializeKnown(*known, shape(value), elementType(value));
  impl->broken = true;
  emitError(loc) << "internal error: a value is used before it is lowered: "
                 << value;
  return {};
}

Value Lowering::getBytes(Value value, ArrayRef<int64_t> shape,
                         Type elementType) {
  if (isAbsent(value))
    return {};
  auto op = value.getDefiningOp<onnx::InitializerOp>();
  std::optional<DenseElementsAttr> known = op ? std::nullopt : constant(value);
  if (known && known->getElementType() == elementType &&
      known->getNumElements() == ShapedType::getNumElements(shape))
    return arith::ConstantOp::create(
        b, loc, known->reshape(RankedTensorType::get(shape, elementType)));
  if (!op)
    return {};
  onnx::SourceAttr source = op.getSource();
  auto type = RankedTensorType::get(shape, elementType);
  uint64_t bytes =
      type.getNumElements() * elementType.getIntOrFloatBitWidth() / 8;
  if (source.getLength() != bytes)
    return {};
  return WeightOp::create(b, op.getLoc(), type, op.getName(), source.getFile(),
                          source.getOffset(), source.getLength());
}

Tensor Lowering::materializeKnown(ArrayRef<AffineExpr> elements, ShapeRef dims,
                                  Type elementType) {
  SmallVector<Value> values;
  for (AffineExpr element : elements)
    values.push_back(index(element));
  auto toElement = [&](OpBuilder &b, Location loc, Value index) -> Value {
    if (!elementType.isInteger(1))
      return arith::IndexCastOp::create(b, loc, elementType, index);
    Value zero = arith::ConstantIndexOp::create(b, loc, 0);
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, index, zero);
  };
  Shape shape(dims);
  if (values.empty())
    return empty(shape, elementType);
  if (values.size() == 1)
    return fill(shape, toElement(b, loc, values.front()));
  // Known tensors that are not constants have rank 1.
  return elementwise(
      {}, shape, elementType, [&](OpBuilder &b, Location loc, ValueRange) {
        Value position = linalg::IndexOp::create(b, loc, 0);
        Value result = values.back();
        for (int64_t i = values.size() - 2; i >= 0; --i) {
          Value number = arith::ConstantIndexOp::create(b, loc, i);
          Value here = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                             position, number);
          result = arith::SelectOp::create(b, loc, here, values[i], result);
        }
        return toElement(b, loc, result);
      });
}

void Lowering::set(Value result, const Tensor &tensor) {
  if (isAbsent(result))
    return;
  Shape dims(shape(result));
  if (!tensor || tensor.getRank() != dims.size() ||
      tensor.getElementType() != elementType(result)) {
    impl->broken = true;
    InFlightDiagnostic error = emitError(loc) << "internal error: lowered to ";
    if (tensor)
      error << tensor.value.getType();
    else
      error << "nothing";
    error << " instead of " << type(dims, elementType(result));
    return;
  }
  // What is known about the result may be static where the lowering's shape is
  // not, and the other way round; keep what is static.
  for (auto [dim, other] : llvm::zip(dims, tensor.shape))
    if (!getFixed(dim) && getFixed(other))
      dim = other;
  RankedTensorType wanted = type(dims, elementType(result));
  Value value = tensor.value;
  if (value.getType() != wanted) {
    if (!tensor::CastOp::areCastCompatible(value.getType(), wanted)) {
      impl->broken = true;
      emitError(loc) << "lowered to " << value.getType()
                     << ", but its shape is " << wanted;
      return;
    }
    value = tensor::CastOp::create(b, loc, wanted, value);
  }
  impl->values[result] = {value, dims};
}

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

AffineExpr Lowering::fixed(int64_t value) const {
  return getAffineConstantExpr(value, b.getContext());
}

std::optional<int64_t> Lowering::getFixed(AffineExpr expr) const {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return constant.getValue();
  if (auto constant = dyn_cast<AffineConstantExpr>(symbols.simplify(expr)))
    return constant.getValue();
  return std::nullopt;
}

bool Lowering::isOne(AffineExpr expr) const { return isEqual(expr, fixed(1)); }

bool Lowering::isEqual(AffineExpr a, AffineExpr b) const {
  return a == b || symbols.isEqual(a, b);
}

bool Lowering::isEqual(ShapeRef a, ShapeRef b) const {
  return a.size() == b.size() && llvm::all_of(llvm::zip(a, b), [&](auto pair) {
           return isEqual(std::get<0>(pair), std::get<1>(pair));
         });
}

AffineExpr Lowering::product(ShapeRef shape) const {
  AffineExpr result = fixed(1);
  for (AffineExpr dim : shape)
    result = result * dim;
  return symbols.simplify(result);
}

Value Lowering::Impl::inHead(OpBuilder &b,
                             llvm::function_ref<Value(Location)> create) {
  OpBuilder::InsertionGuard guard(b);
  if (lastInHead)
    b.setInsertionPointAfter(lastInHead);
  else
    b.setInsertionPointToStart(body);
  Value value = create(body->getParentOp()->getLoc());
  lastInHead = value.getDefiningOp();
  return value;
}

Value Lowering::symbolValue(unsigned number) {
  using Kind = onnx::SymbolInfo::Kind;
  const onnx::SymbolInfo &info = symbols.getSymbol(number);
  switch (info.kind) {
  case Kind::InputDim: {
    std::string name = Impl::getDimName(info);
    Value dim = impl->inHead(
        b, [&](Location loc) -> Value { return DimOp::create(b, loc, name); });
    if (!info.lhs)
      return dim;
    Value known = index(info.lhs);
    return impl->inHead(b, [&](Location loc) -> Value {
      return affine::AffineApplyOp::create(
          b, loc,
          AffineMap::get(0, 2,
                         b.getAffineSymbolExpr(0) - b.getAffineSymbolExpr(1)),
          ValueRange{dim, known});
    });
  }
  case Kind::Max:
  case Kind::Min: {
    AffineMap map = AffineMap::get(
        0, 2, {b.getAffineSymbolExpr(0), b.getAffineSymbolExpr(1)},
        b.getContext());
    SmallVector<Value> operands = {index(info.lhs), index(info.rhs)};
    return impl->inHead(b, [&](Location loc) -> Value {
      if (info.kind == Kind::Max)
        return affine::AffineMaxOp::create(b, loc, map, operands);
      return affine::AffineMinOp::create(b, loc, map, operands);
    });
  }
  case Kind::ValueDim:
  case Kind::Element:
    break;
  }
  impl->broken = true;
  emitError(loc) << "a size depends on data: " << info.name;
  return impl->inHead(b, [&](Location loc) -> Value {
    return arith::ConstantIndexOp::create(b, loc, 0);
  });
}

Value Lowering::index(AffineExpr expr) {
  expr = symbols.simplify(expr);
  auto it = impl->sizes.find(expr);
  if (it != impl->sizes.end())
    return it->second;
  Value value;
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    value = impl->inHead(b, [&](Location loc) -> Value {
      return arith::ConstantIndexOp::create(b, loc, constant.getValue());
    });
  } else if (auto symbol = dyn_cast<AffineSymbolExpr>(expr)) {
    value = symbolValue(symbol.getPosition());
  } else {
    // Number the symbols that occur from 0.
    llvm::SmallSetVector<unsigned, 4> used;
    expr.walk([&](AffineExpr part) {
      if (auto symbol = dyn_cast<AffineSymbolExpr>(part))
        used.insert(symbol.getPosition());
    });
    DenseMap<AffineExpr, AffineExpr> renumbered;
    SmallVector<Value> operands;
    for (unsigned number : used) {
      AffineExpr symbol = b.getAffineSymbolExpr(number);
      renumbered[symbol] = b.getAffineSymbolExpr(operands.size());
      operands.push_back(index(symbol));
    }
    AffineMap map = AffineMap::get(0, used.size(), expr.replace(renumbered));
    value = impl->inHead(b, [&](Location loc) -> Value {
      return affine::AffineApplyOp::create(b, loc, map, operands);
    });
  }
  impl->sizes[expr] = value;
  return value;
}

OpFoldResult Lowering::size(AffineExpr expr) {
  if (std::optional<int64_t> constant = getFixed(expr))
    return b.getIndexAttr(*constant);
  return index(expr);
}

SmallVector<OpFoldResult> Lowering::sizes(ShapeRef shape) {
  return llvm::map_to_vector(shape,
                             [&](AffineExpr expr) { return size(expr); });
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

RankedTensorType Lowering::type(ShapeRef shape, Type elementType) const {
  SmallVector<int64_t> dims;
  for (AffineExpr dim : shape)
    dims.push_back(getFixed(dim).value_or(ShapedType::kDynamic));
  return RankedTensorType::get(dims, elementType);
}

Tensor Lowering::empty(ShapeRef shape, Type elementType) {
  return {tensor::EmptyOp::create(b, loc, sizes(shape), elementType),
          Shape(shape)};
}

Value Lowering::scalar(Type type, double value) {
  if (auto floatType = dyn_cast<FloatType>(type))
    return arith::ConstantOp::create(b, loc, b.getFloatAttr(floatType, value));
  return scalarInt(type, static_cast<int64_t>(value));
}

Value Lowering::scalarInt(Type type, int64_t value) {
  return arith::ConstantOp::create(b, loc, b.getIntegerAttr(type, value));
}

Tensor Lowering::fill(ShapeRef shape, Value scalar) {
  Tensor destination = empty(shape, scalar.getType());
  auto op = linalg::FillOp::create(b, loc, scalar, destination.value);
  return {op.getResult(0), destination.shape};
}

Tensor Lowering::fill(ShapeRef shape, Type elementType, double value) {
  return fill(shape, scalar(elementType, value));
}

Tensor Lowering::zeros(ShapeRef shape, Type elementType) {
  return fill(shape, elementType, 0);
}

Tensor Lowering::generic(ArrayRef<Tensor> inputs, const Tensor &output,
                         ArrayRef<AffineMap> maps,
                         ArrayRef<utils::IteratorType> iterators, BodyFn body) {
  // Nothing to compute, and loops without steps are a burden to what follows.
  if (llvm::any_of(output.shape,
                   [&](AffineExpr size) { return getFixed(size) == 0; }))
    return output;
  SmallVector<Value> operands;
  for (const Tensor &input : inputs)
    operands.push_back(input.value);
  auto op = linalg::GenericOp::create(
      b, loc, TypeRange{output.value.getType()}, operands,
      ValueRange{output.value}, maps, iterators,
      [&](OpBuilder &builder, Location loc, ValueRange args) {
        // Lowerings may use the helpers above inside a body.
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToEnd(builder.getInsertionBlock());
        Value result = body(b, loc, args);
        linalg::YieldOp::create(b, loc, result);
      });
  return {op.getResult(0), output.shape};
}

Tensor Lowering::elementwise(ArrayRef<Tensor> inputs, ShapeRef shape,
                             Type elementType, BodyFn body) {
  unsigned rank = shape.size();
  // An input is an operand of the loop where each of its dimensions broadcasts
  // or maps one to one, and is read element by element otherwise.
  SmallVector<Tensor> operands;
  SmallVector<AffineMap> maps;
  SmallVector<int64_t> operandNumbers;
  for (const Tensor &input : inputs) {
    unsigned offset = rank - input.getRank();
    SmallVector<AffineExpr> results;
    Shape kept;
    bool proven = true;
    for (auto [i, dim] : llvm::enumerate(input.shape)) {
      AffineExpr out = shape[offset + i];
      // A size of at least 2 cannot broadcast.
      if (isEqual(dim, out) || symbols.isAtLeast(dim, 2)) {
        results.push_back(b.getAffineDimExpr(offset + i));
        kept.push_back(dim);
      } else if (!isOne(dim)) {
        proven = false;
      }
    }
    if (!proven) {
      operandNumbers.push_back(-1);
      continue;
    }
    operandNumbers.push_back(operands.size());
    operands.push_back(kept.size() == input.getRank() ? input
                                                      : reshape(input, kept));
    maps.push_back(AffineMap::get(rank, 0, results, b.getContext()));
  }
  SmallVector<Value> dims;
  for (auto [input, number] : llvm::zip(inputs, operandNumbers))
    if (number < 0)
      for (AffineExpr dim : input.shape)
        dims.push_back(index(dim));
  maps.push_back(b.getMultiDimIdentityMap(rank));
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  return generic(
      operands, empty(shape, elementType), maps, iterators,
      [&](OpBuilder &b, Location loc, ValueRange args) -> Value {
        SmallVector<Value> scalars;
        auto nextDim = dims.begin();
        for (auto [input, number] : llvm::zip(inputs, operandNumbers)) {
          if (number >= 0) {
            scalars.push_back(args[number]);
            continue;
          }
          unsigned offset = rank - input.getRank();
          Value one = arith::ConstantIndexOp::create(b, loc, 1);
          SmallVector<Value> position;
          for (unsigned i = 0; i < input.getRank(); ++i) {
            Value last = arith::SubIOp::create(b, loc, *nextDim++, one);
            Value here = linalg::IndexOp::create(b, loc, offset + i);
            position.push_back(arith::MinSIOp::create(b, loc, here, last));
          }
          scalars.push_back(
              tensor::ExtractOp::create(b, loc, input.value, position));
        }
        return body(b, loc, scalars);
      });
}

Tensor Lowering::broadcast(const Tensor &tensor, ShapeRef shape) {
  if (isEqual(tensor.shape, shape))
    return tensor;
  return elementwise(
      {tensor}, shape, tensor.getElementType(),
      [](OpBuilder &, Location, ValueRange args) { return args.front(); });
}

Tensor Lowering::copy(const Tensor &tensor) {
  return elementwise(
      {tensor}, tensor.shape, tensor.getElementType(),
      [](OpBuilder &, Location, ValueRange args) { return args.front(); });
}

Tensor Lowering::transpose(const Tensor &tensor,
                           ArrayRef<int64_t> permutation) {
  if (llvm::equal(permutation, llvm::seq<int64_t>(0, permutation.size())))
    return tensor;
  unsigned rank = tensor.getRank();
  Shape shape;
  SmallVector<AffineExpr> results(rank);
  for (auto [i, from] : llvm::enumerate(permutation)) {
    shape.push_back(tensor.shape[from]);
    results[from] = b.getAffineDimExpr(i);
  }
  AffineMap maps[] = {AffineMap::get(rank, 0, results, b.getContext()),
                      b.getMultiDimIdentityMap(rank)};
  SmallVector<utils::IteratorType> iterators(rank,
                                             utils::IteratorType::parallel);
  return generic(
      {tensor}, empty(shape, tensor.getElementType()), maps, iterators,
      [](OpBuilder &, Location, ValueRange args) { return args.front(); });
}

Tensor Lowering::reduce(const Tensor &tensor, ArrayRef<int64_t> axes,
                        Value init, BodyFn body) {
  unsigned rank = tensor.getRank();
  Shape shape;
  SmallVector<AffineExpr> results;
  SmallVector<utils::IteratorType> iterators;
  for (unsigned i = 0; i < rank; ++i) {
    bool reduced = llvm::is_contained(axes, i);
    iterators.push_back(reduced ? utils::IteratorType::reduction
                                : utils::IteratorType::parallel);
    if (reduced)
      continue;
    shape.push_back(tensor.shape[i]);
    results.push_back(b.getAffineDimExpr(i));
  }
  AffineMap maps[] = {b.getMultiDimIdentityMap(rank),
                      AffineMap::get(rank, 0, results, b.getContext())};
  return generic({tensor}, fill(shape, init), maps, iterators, body);
}

Tensor Lowering::extractSlice(const Tensor &tensor, ShapeRef offsets,
                              ShapeRef slice, ArrayRef<int64_t> strides) {
  bool whole = isEqual(tensor.shape, slice) &&
               llvm::all_of(strides, [](int64_t step) { return step == 1; });
  if (whole)
    return tensor;
  // An empty slice at the very end is valid in ONNX, but not in MLIR.
  if (llvm::any_of(slice, [&](AffineExpr size) { return getFixed(size) == 0; }))
    return empty(slice, tensor.getElementType());
  SmallVector<OpFoldResult> steps;
  for (unsigned i = 0; i < tensor.getRank(); ++i)
    steps.push_back(b.getIndexAttr(strides.empty() ? 1 : strides[i]));
  auto op = tensor::ExtractSliceOp::create(
      b, loc, type(slice, tensor.getElementType()), tensor.value,
      sizes(offsets), sizes(slice), steps);
  return {op, Shape(slice)};
}

Tensor Lowering::insertSlice(const Tensor &tensor, const Tensor &into,
                             ShapeRef offsets) {
  if (llvm::any_of(tensor.shape,
                   [&](AffineExpr size) { return getFixed(size) == 0; }))
    return into;
  SmallVector<OpFoldResult> steps(tensor.getRank(), b.getIndexAttr(1));
  // The source's own static sizes decide: its shape may know more.
  SmallVector<OpFoldResult> extent;
  auto source = mlir::cast<RankedTensorType>(tensor.value.getType());
  for (auto [i, dim] : llvm::enumerate(tensor.shape))
    extent.push_back(source.isDynamicDim(i)
                         ? OpFoldResult(index(dim))
                         : b.getIndexAttr(source.getDimSize(i)));
  auto op = tensor::InsertSliceOp::create(b, loc, tensor.value, into.value,
                                          sizes(offsets), extent, steps);
  return {op, into.shape};
}

Tensor Lowering::concat(ArrayRef<Tensor> tensors, int64_t axis) {
  if (tensors.size() == 1)
    return tensors.front();
  Shape shape = tensors.front().shape;
  for (const Tensor &tensor : tensors.drop_front())
    shape[axis] = shape[axis] + tensor.shape[axis];
  shape[axis] = symbols.simplify(shape[axis]);
  Tensor result = empty(shape, tensors.front().getElementType());
  Shape offsets(shape.size(), fixed(0));
  for (const Tensor &tensor : tensors) {
    result = insertSlice(tensor, result, offsets);
    offsets[axis] = symbols.simplify(offsets[axis] + tensor.shape[axis]);
  }
  return result;
}

Tensor Lowering::unsqueeze(const Tensor &tensor, int64_t axis) {
  Shape shape = tensor.shape;
  shape.insert(shape.begin() + axis, fixed(1));
  return reshape(tensor, shape);
}

Tensor Lowering::squeeze(const Tensor &tensor, int64_t axis) {
  Shape shape = tensor.shape;
  shape.erase(shape.begin() + axis);
  return reshape(tensor, shape);
}

namespace {
/// Dimensions [fromBegin, fromEnd) of one shape hold the same elements as
/// [toBegin, toEnd) of the other.
struct Group {
  unsigned fromBegin, fromEnd, toBegin, toEnd;
};
} // namespace

/// The finest grouping that can be proven; the last group takes what is left.
static SmallVector<Group> groupDims(const Lowering &l, ShapeRef from,
                                    ShapeRef to) {
  SmallVector<AffineExpr> toProducts = {l.fixed(1)};
  for (AffineExpr dim : to)
    toProducts.push_back(l.symbols.simplify(toProducts.back() * dim));
  SmallVector<Group> groups;
  unsigned fromBegin = 0, toBegin = 0;
  AffineExpr fromProduct = l.fixed(1);
  for (unsigned i = 0; i < from.size(); ++i) {
    fromProduct = l.symbols.simplify(fromProduct * from[i]);
    for (unsigned j = toBegin + 1; j <= to.size(); ++j) {
      if (!l.isEqual(fromProduct, toProducts[j]))
        continue;
      groups.push_back({fromBegin, i + 1, toBegin, j});
      fromBegin = i + 1;
      toBegin = j;
      break;
    }
  }
  if (fromBegin == from.size() && toBegin == to.size())
    return groups;
  // What remains is 1s, or not provably the same: it joins the last group, or
  // is a group of its own where it has dimensions on both sides.
  if (!groups.empty() && (fromBegin == from.size() || toBegin == to.size())) {
    groups.back().fromEnd = from.size();
    groups.back().toEnd = to.size();
  } else {
    groups.push_back({fromBegin, static_cast<unsigned>(from.size()), toBegin,
                      static_cast<unsigned>(to.size())});
  }
  return groups;
}

/// `tensor` under another shape: collapsed and expanded.
Tensor Lowering::createView(const Tensor &tensor, ShapeRef shape) {
  Shape to(shape);
  Type element = tensor.getElementType();
  RankedTensorType wanted = type(to, element);
  auto castTo = [&](Value value, RankedTensorType type) -> Value {
    if (value.getType() == type)
      return value;
    return tensor::CastOp::create(b, loc, type, value);
  };
  if (isEqual(tensor.shape, shape))
    return {castTo(tensor.value, wanted), to};
  if (to.empty() || tensor.shape.empty()) {
    // All dimensions are 1. From or to rank 0.
    SmallVector<int64_t> ones(std::max(to.size(), tensor.shape.size()), 1);
    auto onesType = RankedTensorType::get(ones, element);
    if (to.empty())
      return {tensor::CollapseShapeOp::create(b, loc, wanted,
                                              castTo(tensor.value, onesType),
                                              ArrayRef<ReassociationIndices>{}),
              to};
    Value expanded = tensor::ExpandShapeOp::create(
        b, loc, onesType, tensor.value, ArrayRef<ReassociationIndices>{});
    return {castTo(expanded, wanted), to};
  }

  SmallVector<Group> groups = groupDims(*this, tensor.shape, to);
  auto from = mlir::cast<RankedTensorType>(tensor.value.getType());
  SmallVector<ReassociationIndices> collapse, expand;
  SmallVector<int64_t> collapsedDims, expandedFrom;
  auto productOf = [](ArrayRef<int64_t> dims) {
    int64_t product = 1;
    for (int64_t dim : dims) {
      if (ShapedType::isDynamic(dim))
        return ShapedType::kDynamic;
      product *= dim;
    }
    return product;
  };
  for (const Group &group : groups) {
    collapse.emplace_back(
        llvm::to_vector<2>(llvm::seq<int64_t>(group.fromBegin, group.fromEnd)));
    expand.emplace_back(
        llvm::to_vector<2>(llvm::seq<int64_t>(group.toBegin, group.toEnd)));
    collapsedDims.push_back(productOf(
        from.getShape().slice(group.fromBegin, collapse.back().size())));
    expandedFrom.push_back(productOf(
        wanted.getShape().slice(group.toBegin, expand.back().size())));
  }
  Value value = tensor.value;
  if (collapse.size() != tensor.getRank())
    value = tensor::CollapseShapeOp::create(
        b, loc, RankedTensorType::get(collapsedDims, element), value, collapse);
  // A group's size may be static on one side only.
  value = castTo(value, RankedTensorType::get(expandedFrom, element));
  if (expand.size() != to.size())
    value =
        tensor::ExpandShapeOp::create(b, loc, wanted, value, expand, sizes(to));
  return {value, to};
}

Tensor Lowering::reshape(const Tensor &tensor, ShapeRef shape) {
  auto known = impl->reshaped.find(tensor.value);
  // A copy: creating the view may grow the map.
  Tensor source = known == impl->reshaped.end() ? tensor : known->second;
  Tensor view = createView(source, shape);
  if (view.value != source.value)
    impl->reshaped.try_emplace(view.value, source);
  return view;
}

//===----------------------------------------------------------------------===//
// Element types
//===----------------------------------------------------------------------===//

Type getComputeType(Type type) {
  return type.isF16() || type.isBF16() ? Float32Type::get(type.getContext())
                                       : type;
}

Value convertFloat(OpBuilder &b, Location loc, Value value, Type to) {
  unsigned from = value.getType().getIntOrFloatBitWidth();
  unsigned width = to.getIntOrFloatBitWidth();
  if (value.getType() == to)
    return value;
  if (from < width)
    return arith::ExtFOp::create(b, loc, to, value);
  if (from > width)
    return arith::TruncFOp::create(b, loc, to, value);
  // f16 and bf16.
  Value wide = arith::ExtFOp::create(b, loc, b.getF32Type(), value);
  return arith::TruncFOp::create(b, loc, to, wide);
}

Tensor Lowering::cast(const Tensor &tensor, Type elementType, bool fromUnsigned,
                      bool toUnsigned) {
  if (tensor.getElementType() == elementType)
    return tensor;
  return elementwise({tensor}, tensor.shape, elementType,
                     [&](OpBuilder &b, Location loc, ValueRange args) {
                       return Scalars{b, loc, fromUnsigned}.convert(
                           args.front(), elementType, toUnsigned);
                     });
}

//===----------------------------------------------------------------------===//
// States
//===----------------------------------------------------------------------===//

State *Lowering::getPastState(Value value) { return impl->pasts.lookup(value); }

State *Lowering::getPresentState(Value value) {
  return impl->presents.lookup(value);
}

Tensor Lowering::readState(State &state) {
  Value &read = impl->reads[&state];
  if (!read)
    read = impl->inHead(b, [&](Location loc) -> Value {
      return ReadStateOp::create(b, loc, type(state.shape, state.elementType),
                                 state.name);
    });
  return {read, state.shape};
}

void Lowering::writeState(State &state, const Tensor &tensor) {
  assert(!state.written && "a state is written once");
  state.written = true;
  impl->writes.emplace_back(&state, tensor);
}

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

LogicalResult Lowering::unsupported(Operation *op, const Twine &why,
                                    const Twine &hint) const {
  std::string types;
  llvm::raw_string_ostream os(types);
  llvm::interleaveComma(op->getOperands(), os, [&](Value operand) {
    std::optional<ShapeRef> dims = symbols.getShape(operand);
    if (isAbsent(operand)) {
      os << "-";
      return;
    }
    if (!dims) {
      os << operand.getType();
      return;
    }
    os << "[";
    llvm::interleaveComma(*dims, os,
                          [&](AffineExpr dim) { os << symbols.print(dim); });
    os << "] " << elementType(operand);
  });
  StringRef domain = onnx::getDomain(op);
  InFlightDiagnostic error = op->emitError()
                             << "node '" << onnx::getNodeName(op->getLoc())
                             << "' (" << (domain.empty() ? "ai.onnx" : domain)
                             << " " << onnx::getOpType(op) << ", opset "
                             << onnx::getOpsetVersion(op) << ", inputs "
                             << types << "): " << why;
  std::string text = hint.str();
  if (!text.empty())
    error << "; " << text;
  return failure();
}

} // namespace hybrid
