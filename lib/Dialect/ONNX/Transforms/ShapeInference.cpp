//===- ShapeInference.cpp - The driver of symbolic shape inference --------===//
//
// Walks the graph in order. Operators may demand that two dimensions are equal;
// what follows for the symbols (a total length is past + new) is substituted,
// and the walk is repeated until nothing new is learned.
//
//===----------------------------------------------------------------------===//

#include "ShapeInference.h"
#include "ArgumentDims.h"
#include "hybrid/Dialect/ONNX/IR/ONNXCoreOps.h"
#include "mlir/IR/Diagnostics.h"

using namespace mlir;
using namespace hybrid::onnx;

/// Each round substitutes a symbol; models need two or three.
static constexpr unsigned kMaxRounds = 32;

static const ShapeFunctions &getShapeFunctions() {
  static const ShapeFunctions functions = [] {
    ShapeFunctions result;
    addElementwiseShapes(result);
    addTensorShapes(result);
    addIndexingShapes(result);
    addReductionShapes(result);
    addNNShapes(result);
    addAttentionShapes(result);
    addSignalShapes(result);
    addControlFlowShapes(result);
    return result;
  }();
  return functions;
}

static const ShapeFunctions &getElementFunctions() {
  static const ShapeFunctions functions = [] {
    ShapeFunctions result;
    addElementFunctions(result);
    return result;
  }();
  return functions;
}

ShapeInference::ShapeInference(func::FuncOp func,
                               const SymbolicShapeOptions &options)
    : math(func.getContext()), func(func),
      arguments(std::make_unique<ArgumentDims>(func, options, math)) {
  arguments->run();
}

ShapeInference::~ShapeInference() = default;

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

const Shape *ShapeInference::getShape(Value value) const {
  auto found = shapes.find(value);
  return found == shapes.end() ? nullptr : &found->second;
}

const Shape *ShapeInference::getElements(Value value) const {
  auto found = elements.find(value);
  return found == elements.end() ? nullptr : &found->second;
}

Expr ShapeInference::dimSymbol(Value value, int64_t index) {
  Expr &symbol = dimSymbols[{value.getAsOpaquePointer(), index}];
  if (!symbol)
    symbol =
        math.addSymbol({SymbolInfo::Kind::ValueDim, math.uniqueName("unknown"),
                        value, index, Expr(), Expr(), /*minimum=*/0});
  return math.canonical(symbol);
}

Expr ShapeInference::elementSymbol(Value value, int64_t index) {
  Expr &symbol = elementSymbols[{value.getAsOpaquePointer(), index}];
  if (!symbol)
    symbol =
        math.addSymbol({SymbolInfo::Kind::Element, math.uniqueName("element"),
                        value, index, Expr(), Expr(), kNoMinimum});
  return math.canonical(symbol);
}

/// What the type says about dimension `i`.
static std::optional<int64_t> staticDim(RankedTensorType type, int64_t i) {
  if (type.isDynamicDim(i))
    return std::nullopt;
  return type.getDimSize(i);
}

void ShapeInference::setShape(Value value, Shape shape) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (type && type.getRank() != static_cast<int64_t>(shape.size()))
    type = nullptr;
  for (auto [i, dim] : llvm::enumerate(shape)) {
    if (dim)
      dim = math.canonical(dim);
    if (dim)
      continue;
    std::optional<int64_t> size = type ? staticDim(type, i) : std::nullopt;
    dim = size ? math.constant(*size) : dimSymbol(value, i);
  }
  shapes[value] = std::move(shape);
}

void ShapeInference::setElements(Value value, Shape list) {
  for (Expr &element : list)
    if (element)
      element = math.canonical(element);
  if (llvm::any_of(list, [](Expr e) { return static_cast<bool>(e); }) ||
      list.empty())
    elements[value] = std::move(list);
}

LogicalResult ShapeInference::require(Expr a, Expr b) {
  if (!a || !b || math.isEqual(a, b))
    return success();
  if (math.isDifferent(a, b))
    return failure();
  if (!conditional && math.unify(a, b))
    learned = true;
  return success();
}

Expr ShapeInference::lookupName(StringRef name) const {
  return arguments->lookup(name);
}

//===----------------------------------------------------------------------===//
// The walk
//===----------------------------------------------------------------------===//

/// Whether elements of values of this type are followed.
static bool isFollowed(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.hasStaticShape() &&
         tensor.getElementType().isInteger() &&
         tensor.getNumElements() <= kMaxElements;
}

void ShapeInference::setArguments() {
  for (BlockArgument argument : func.getArguments()) {
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type)
      continue;
    Shape shape(type.getRank());
    for (const ArgumentDims::Dim &dim : arguments->getDims())
      if (dim.argument == argument)
        shape[dim.index] = dim.expr;
    setShape(argument, std::move(shape));
    if (!isFollowed(type))
      continue;
    Shape list;
    for (int64_t i = 0; i < type.getNumElements(); ++i)
      list.push_back(elementSymbol(argument, i));
    setElements(argument, std::move(list));
  }
}

LogicalResult ShapeInference::run() {
  Block &body = func.getBody().front();
  for (unsigned round = 0; round < kMaxRounds; ++round) {
    learned = false;
    shapes.clear();
    elements.clear();
    setArguments();
    if (failed(runOnBlock(body)))
      return failure();
    learnFromResults();
    if (!learned)
      break;
  }
  return success();
}

/// A graph output whose dimension has the name of an input's dimension says
/// that both are the same; exporters are trusted in this only where the graph
/// itself leaves the symbol open.
void ShapeInference::learnFromResults() {
  Operation *terminator = func.getBody().front().getTerminator();
  for (OpOperand &operand : terminator->getOpOperands()) {
    unsigned number = operand.getOperandNumber();
    auto names = func.getResultAttrOfType<ArrayAttr>(number, "onnx.dims");
    const Shape *shape = getShape(operand.get());
    if (!names || !shape || names.size() != shape->size())
      continue;
    for (auto [name, dim] : llvm::zip(names.getValue(), *shape)) {
      auto text = dyn_cast<StringAttr>(name);
      Expr declared = text ? math.canonical(lookupName(text)) : Expr();
      auto symbol = dyn_cast_or_null<AffineSymbolExpr>(declared);
      if (!symbol || SymbolicAlgebra::constantValue(dim) ||
          math.isEqual(symbol, dim))
        continue;
      unsigned position = symbol.getPosition();
      const SymbolInfo &info = math.getSymbol(position);
      bool occurs = math.anySymbol(
          dim, [&](const SymbolInfo &other) { return &other == &info; });
      bool unknown = math.anySymbol(dim, [](const SymbolInfo &other) {
        return other.kind != SymbolInfo::Kind::InputDim;
      });
      if (occurs || unknown || info.kind != SymbolInfo::Kind::InputDim)
        continue;
      math.substitute(position, dim);
      learned = true;
    }
  }
}

LogicalResult ShapeInference::runOnBlock(Block &block) {
  bool ok = true;
  for (Operation &op : block)
    if (failed(inferOp(&op)))
      ok = false;
  return success(ok);
}

/// The elements of a constant of integers.
static std::optional<Shape> constantElements(ConstantOp op,
                                             SymbolicAlgebra &math) {
  auto value = dyn_cast<DenseIntElementsAttr>(op.getValue());
  if (!value || value.getNumElements() > kMaxElements)
    return std::nullopt;
  bool isUnsigned = value.getElementType().isUnsignedInteger() ||
                    value.getElementType().isInteger(1);
  Shape elements;
  for (const APInt &element : value.getValues<APInt>()) {
    bool fits = isUnsigned ? element.getActiveBits() < 64 : true;
    int64_t number =
        isUnsigned ? element.getZExtValue() : element.getSExtValue();
    elements.push_back(fits ? math.constant(number) : Expr());
  }
  return elements;
}

LogicalResult ShapeInference::inferOp(Operation *op) {
  OpShape view(op, *this);
  StringRef name = op->getName().getStringRef();
  if (name.consume_front("onnx.")) {
    if (ShapeFunction function = getShapeFunctions().lookup(name))
      if (failed(function(view)))
        return failure();
    if (auto constant = dyn_cast<ConstantOp>(op))
      if (std::optional<Shape> list = constantElements(constant, math))
        view.setElements(0, *list);
  }
  if (failed(finish(op, view)))
    return failure();
  ShapeFunction elementFunction = getElementFunctions().lookup(name);
  if (!elementFunction)
    return success();
  OpShape second(op, *this);
  if (failed(elementFunction(second)))
    return failure();
  for (auto [result, list] : llvm::zip(op->getResults(), second.resultElements))
    if (list && list->size() <= kMaxElements)
      setElements(result, std::move(*list));
  return success();
}

/// Takes over the results of a shape function, checked against the types.
LogicalResult ShapeInference::finish(Operation *op, OpShape &view) {
  for (auto [i, result] : llvm::enumerate(op->getResults())) {
    auto declared = dyn_cast<RankedTensorType>(result.getType());
    std::optional<Shape> &shape = view.results[i];
    if (!isa<TensorType>(result.getType()))
      continue;
    if (!shape && !declared)
      continue;
    if (!shape)
      shape = Shape(declared.getRank());
    if (declared && declared.getRank() != static_cast<int64_t>(shape->size()))
      return view.error() << "the file declares " << declared << " for output "
                          << i << ", but the operator gives rank "
                          << shape->size();
    for (auto [d, dim] : llvm::enumerate(*shape)) {
      std::optional<int64_t> inferred = SymbolicAlgebra::constantValue(dim);
      std::optional<int64_t> stated =
          declared ? staticDim(declared, d) : std::nullopt;
      if (inferred && *inferred < 0)
        return view.error() << "dimension " << d << " of output " << i
                            << " would be " << *inferred;
      if (inferred && stated && *inferred != *stated)
        return view.error()
               << "the file declares " << declared << " for output " << i
               << ", but dimension " << d << " is " << *inferred;
    }
    setShape(result, std::move(*shape));
    if (view.resultElements[i])
      setElements(result, std::move(*view.resultElements[i]));
  }
  return success();
}

//===----------------------------------------------------------------------===//
// OpShape
//===----------------------------------------------------------------------===//

std::optional<SmallVector<int64_t>> OpShape::constants(unsigned operand) const {
  const Shape *list = elements(operand);
  if (!list)
    return std::nullopt;
  SmallVector<int64_t> values;
  for (Expr element : *list) {
    std::optional<int64_t> value = SymbolicAlgebra::constantValue(element);
    if (!value)
      return std::nullopt;
    values.push_back(*value);
  }
  return values;
}

Expr OpShape::sizeElement(unsigned operand, int64_t index) const {
  if (!has(operand))
    return Expr();
  Value value = op->getOperand(operand);
  if (const Shape *list = elements(operand))
    if (index < static_cast<int64_t>(list->size()) && (*list)[index])
      return (*list)[index];
  // A shape that is not static in the type may still be known to be small.
  const Shape *dims = shape(operand);
  if (!dims || dims->size() > 1)
    return Expr();
  auto tensor = cast<TensorType>(value.getType());
  std::optional<int64_t> count =
      dims->empty() ? 1 : SymbolicAlgebra::constantValue(dims->front());
  if (!count || index >= *count || !tensor.getElementType().isInteger())
    return Expr();
  return inference.elementSymbol(value, index);
}

int64_t OpShape::integer(StringRef name, int64_t otherwise) const {
  return maybeInteger(name).value_or(otherwise);
}

std::optional<int64_t> OpShape::maybeInteger(StringRef name) const {
  auto attribute = op->getAttrOfType<IntegerAttr>(name);
  if (!attribute)
    return std::nullopt;
  return attribute.getInt();
}

StringRef OpShape::string(StringRef name, StringRef otherwise) const {
  auto attribute = op->getAttrOfType<StringAttr>(name);
  return attribute ? attribute.getValue() : otherwise;
}

std::optional<SmallVector<int64_t>> OpShape::list(StringRef name) const {
  auto attribute = op->getAttrOfType<DenseI64ArrayAttr>(name);
  if (!attribute)
    return std::nullopt;
  return SmallVector<int64_t>(attribute.asArrayRef());
}

std::string OpShape::print(const Shape *shape) const {
  if (!shape)
    return "unknown";
  std::string text = "[";
  for (auto [i, dim] : llvm::enumerate(*shape))
    text += (i ? ", " : "") + math.print(dim);
  return text + "]";
}

InFlightDiagnostic OpShape::error() const {
  InFlightDiagnostic diagnostic = emitError(op->getLoc());
  diagnostic << "node '" << getNodeName(op->getLoc()) << "' (";
  if (StringRef domain = getDomain(op); !domain.empty())
    diagnostic << domain << ".";
  diagnostic << getOpType(op) << ", operator set " << getOpsetVersion(op)
             << ") on ";
  bool first = true;
  for (unsigned i = 0; i < op->getNumOperands(); ++i) {
    if (!has(i))
      continue;
    diagnostic << (first ? "" : ", ") << print(shape(i));
    first = false;
  }
  diagnostic << ": ";
  return diagnostic;
}

std::optional<int64_t> OpShape::axis(int64_t axis, int64_t rank) {
  int64_t positive = axis < 0 ? axis + rank : axis;
  if (positive >= 0 && positive < rank)
    return positive;
  error() << "axis " << axis << " is out of range for rank " << rank;
  return std::nullopt;
}

LogicalResult OpShape::require(Expr a, Expr b, const Twine &what) {
  if (succeeded(inference.require(a, b)))
    return success();
  return error() << what << " must be equal: " << math.print(a) << " and "
                 << math.print(b);
}

FailureOr<Expr> OpShape::broadcastDim(Expr a, Expr b) {
  if (!a || !b) {
    // 1 says nothing about the other; any other constant decides.
    Expr known = a ? a : b;
    std::optional<int64_t> value = SymbolicAlgebra::constantValue(known);
    return value && *value != 1 ? known : Expr();
  }
  std::optional<int64_t> x = SymbolicAlgebra::constantValue(a);
  std::optional<int64_t> y = SymbolicAlgebra::constantValue(b);
  if (x == 1 || math.isEqual(a, b))
    return b;
  if (y == 1)
    return a;
  // Neither can be 1, or both are known.
  bool mustBeEqual = (x && y) || (math.isAtLeast(a, 2) && math.isAtLeast(b, 2));
  if (mustBeEqual && failed(require(a, b, "dimensions of the operands")))
    return failure();
  if (x || y)
    return x ? a : b;
  if (math.isAtLeast(a, 1) && math.isAtLeast(b, 1))
    return math.max(a, b);
  return Expr();
}

FailureOr<Shape> OpShape::broadcast(const Shape &a, const Shape &b) {
  const Shape &longer = a.size() >= b.size() ? a : b;
  const Shape &shorter = a.size() >= b.size() ? b : a;
  Shape result = longer;
  size_t offset = longer.size() - shorter.size();
  for (size_t i = 0; i < shorter.size(); ++i) {
    FailureOr<Expr> dim = broadcastDim(longer[offset + i], shorter[i]);
    if (failed(dim))
      return failure();
    result[offset + i] = *dim;
  }
  return result;
}

Expr OpShape::product(ArrayRef<Expr> dims) const {
  Expr result = constant(1);
  for (Expr dim : dims)
    result = math.mul(result, dim);
  return result;
}
