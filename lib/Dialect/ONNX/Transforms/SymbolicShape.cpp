//===- SymbolicShape.cpp - Symbolic shapes of an ONNX graph ---------------===//

#include "hybrid/Dialect/ONNX/Transforms/SymbolicShape.h"
#include "ShapeInference.h"

using namespace mlir;
using namespace hybrid::onnx;

struct SymbolicShapes::Impl {
  Impl(func::FuncOp func, const SymbolicShapeOptions &options)
      : inference(func, options) {}

  LogicalResult compute(func::FuncOp func);
  void collectNames(func::FuncOp func);
  void compact(func::FuncOp func);
  void visit(Expr expr);
  void visitSymbol(unsigned i);

  ShapeInference inference;
  /// Names of the file, after bindings and substitution.
  llvm::StringMap<Expr> names;
  /// For `compact`: symbols in use, each after those it depends on.
  SmallVector<unsigned> order;
  DenseSet<unsigned> visited;
};

/// What every name of a dimension of a graph input means.
void SymbolicShapes::Impl::collectNames(func::FuncOp func) {
  SymbolicAlgebra &math = inference.math;
  for (unsigned i = 0; i < math.getNumSymbols(); ++i)
    names[math.getSymbol(i).name] =
        math.canonical(getAffineSymbolExpr(i, func.getContext()));
  for (BlockArgument argument : func.getArguments()) {
    auto dims =
        func.getArgAttrOfType<ArrayAttr>(argument.getArgNumber(), "onnx.dims");
    const Shape *shape = inference.getShape(argument);
    if (!dims || !shape || dims.size() != shape->size())
      continue;
    for (auto [name, dim] : llvm::zip(dims.getValue(), *shape))
      if (auto text = dyn_cast<StringAttr>(name))
        names.try_emplace(text.getValue(), dim);
  }
}

void SymbolicShapes::Impl::visit(Expr expr) {
  if (!expr)
    return;
  expr.walk([&](AffineExpr part) {
    if (auto symbol = dyn_cast<AffineSymbolExpr>(part))
      visitSymbol(symbol.getPosition());
  });
}

void SymbolicShapes::Impl::visitSymbol(unsigned i) {
  if (!visited.insert(i).second)
    return;
  SymbolInfo &symbol = inference.math.getSymbol(i);
  symbol.lhs = inference.math.canonical(symbol.lhs);
  symbol.rhs = inference.math.canonical(symbol.rhs);
  visit(symbol.lhs);
  visit(symbol.rhs);
  order.push_back(i);
}

/// Forgets symbols that nothing uses, so that those that are left can all be
/// computed.
void SymbolicShapes::Impl::compact(func::FuncOp func) {
  SymbolicAlgebra &math = inference.math;
  for (BlockArgument argument : func.getArguments())
    if (const Shape *shape = inference.getShape(argument))
      llvm::for_each(*shape, [&](Expr dim) { visit(dim); });
  // In program order, not in that of the hash tables.
  func.walk<WalkOrder::PreOrder>([&](Operation *op) {
    auto visitValue = [&](Value value) {
      for (auto *table : {&inference.shapes, &inference.elements})
        if (auto found = table->find(value); found != table->end())
          llvm::for_each(found->second, [&](Expr expr) { visit(expr); });
    };
    for (Region &region : op->getRegions())
      for (Block &block : region)
        llvm::for_each(block.getArguments(), visitValue);
    llvm::for_each(op->getResults(), visitValue);
  });
  math.renumber(order);
  for (auto *table : {&inference.shapes, &inference.elements})
    for (auto &[value, list] : *table)
      for (Expr &expr : list)
        expr = math.renumbered(expr);
  for (auto it = names.begin(); it != names.end();) {
    auto current = it++;
    bool dropped = math.anyDropped(current->second);
    current->second = dropped ? Expr() : math.renumbered(current->second);
  }
}

LogicalResult SymbolicShapes::Impl::compute(func::FuncOp func) {
  if (failed(inference.run()))
    return failure();
  collectNames(func);
  compact(func);
  return success();
}

//===----------------------------------------------------------------------===//
// SymbolicShapes
//===----------------------------------------------------------------------===//

SymbolicShapes::SymbolicShapes(std::unique_ptr<Impl> impl)
    : impl(std::move(impl)) {}
SymbolicShapes::SymbolicShapes(SymbolicShapes &&) = default;
SymbolicShapes &SymbolicShapes::operator=(SymbolicShapes &&) = default;
SymbolicShapes::~SymbolicShapes() = default;

FailureOr<SymbolicShapes>
SymbolicShapes::compute(func::FuncOp func,
                        const SymbolicShapeOptions &options) {
  if (func.isExternal() || !func.getBody().hasOneBlock()) {
    func.emitError("has no body of one block");
    return failure();
  }
  auto impl = std::make_unique<Impl>(func, options);
  if (failed(impl->compute(func)))
    return failure();
  return SymbolicShapes(std::move(impl));
}

std::optional<ArrayRef<AffineExpr>>
SymbolicShapes::getShape(Value value) const {
  const Shape *shape = impl->inference.getShape(value);
  if (!shape)
    return std::nullopt;
  return ArrayRef<AffineExpr>(*shape);
}

std::optional<SmallVector<AffineExpr>>
SymbolicShapes::getElements(Value value) const {
  const Shape *elements = impl->inference.getElements(value);
  if (!elements || llvm::is_contained(*elements, Expr()))
    return std::nullopt;
  return SmallVector<AffineExpr>(elements->begin(), elements->end());
}

AffineExpr SymbolicShapes::getNumElements(Value value) const {
  const Shape *shape = impl->inference.getShape(value);
  if (!shape)
    return AffineExpr();
  SymbolicAlgebra &math = impl->inference.math;
  AffineExpr product = math.constant(1);
  for (AffineExpr dim : *shape)
    product = math.mul(product, dim);
  return product;
}

unsigned SymbolicShapes::getNumSymbols() const {
  return impl->inference.math.getNumSymbols();
}

const SymbolInfo &SymbolicShapes::getSymbol(unsigned i) const {
  return impl->inference.math.getSymbol(i);
}

AffineExpr SymbolicShapes::lookupSymbol(StringRef name) const {
  return impl->names.lookup(name);
}

bool SymbolicShapes::isEqual(AffineExpr a, AffineExpr b) const {
  return impl->inference.math.isEqual(a, b);
}

bool SymbolicShapes::isAtLeast(AffineExpr expr, int64_t bound) const {
  return impl->inference.math.isAtLeast(expr, bound);
}

AffineExpr SymbolicShapes::simplify(AffineExpr expr) const {
  return impl->inference.math.canonical(expr);
}

AffineExpr SymbolicShapes::getMax(AffineExpr a, AffineExpr b) {
  return impl->inference.math.max(a, b);
}

AffineExpr SymbolicShapes::getMin(AffineExpr a, AffineExpr b) {
  return impl->inference.math.min(a, b);
}

std::string SymbolicShapes::print(AffineExpr expr) const {
  return impl->inference.math.print(expr);
}

bool SymbolicShapes::dependsOnData(AffineExpr expr) const {
  return expr && impl->inference.math.anySymbol(expr, [](const auto &symbol) {
    return symbol.kind == SymbolInfo::Kind::ValueDim ||
           symbol.kind == SymbolInfo::Kind::Element;
  });
}
