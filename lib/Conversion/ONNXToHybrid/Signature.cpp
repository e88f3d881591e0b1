//===- Signature.cpp - arguments, results and symbols of entries ----------===//

#include "Signature.h"

#include "LoweringImpl.h"
#include "hybrid/Dialect/ONNX/IR/ONNXMicrosoftOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXNNOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXTensorOps.h"
#include "hybrid/Dialect/ONNX/Transforms/InputRole.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"

#include <limits>

using namespace mlir;

namespace hybrid {

//===----------------------------------------------------------------------===//
// Ranges
//===----------------------------------------------------------------------===//

/// The static size of `table` along `axis`.
static std::optional<int64_t> getRows(Value table, int64_t axis,
                                      const onnx::SymbolicShapes &symbols) {
  std::optional<ArrayRef<AffineExpr>> shape = symbols.getShape(table);
  if (!shape)
    return std::nullopt;
  std::optional<int64_t> dim = Lowering::normalizeAxis(axis, shape->size());
  if (!dim)
    return std::nullopt;
  auto constant =
      dyn_cast<AffineConstantExpr>(symbols.simplify((*shape)[*dim]));
  return constant ? std::optional(constant.getValue()) : std::nullopt;
}

namespace {
/// Follows an integer input through ops that only move its elements.
class RangeFinder {
public:
  RangeFinder(const onnx::SymbolicShapes &symbols) : symbols(symbols) {}

  void follow(Value value) {
    for (OpOperand &use : value.getUses())
      visit(use.getOwner(), use.get());
  }

  InputRange result;

private:
  void visit(Operation *op, Value value) {
    llvm::TypeSwitch<Operation *>(op)
        .Case<onnx::ReshapeOp, onnx::UnsqueezeOp, onnx::SqueezeOp,
              onnx::FlattenOp, onnx::IdentityOp, onnx::TransposeOp,
              onnx::ExpandOp, onnx::SliceOp, onnx::SplitOp, onnx::CastOp>(
            [&](auto op) {
              // Through the data operand alone, and from integer to integer.
              if (op->getOperand(0) != value || !isInteger(op->getResult(0)))
                return;
              for (Value moved : op->getResults())
                follow(moved);
            })
        .Case([&](onnx::GatherOp op) {
          if (op.getIndices() == value)
            addTable(rows(op.getData(), op.getAxis()));
        })
        .Case<onnx::RotaryEmbeddingOp, onnx::MsRotaryEmbeddingOp,
              onnx::MsMRotaryEmbeddingOp, onnx::MsGroupQueryAttentionOp>(
            [&](auto op) {
              if (op.getPositionIds() == value)
                addPositions(rows(op.getCosCache(), 0));
            });
  }

  static bool isInteger(Value value) {
    auto type = dyn_cast<TensorType>(value.getType());
    return type && isa<IntegerType>(type.getElementType());
  }

  std::optional<int64_t> rows(Value table, int64_t axis) const {
    return getRows(table, axis, symbols);
  }

  void limit(int64_t low, int64_t high) {
    if (!result.range)
      result.range = {low, high};
    result.range->first = std::max(result.range->first, low);
    result.range->second = std::min(result.range->second, high);
  }

  void addTable(std::optional<int64_t> rows) {
    if (rows)
      limit(-*rows, *rows - 1);
  }

  void addPositions(std::optional<int64_t> rows) {
    if (!rows)
      return;
    limit(0, *rows - 1);
    result.positions = std::min(*rows, result.positions.value_or(*rows));
  }

  const onnx::SymbolicShapes &symbols;
};
} // namespace

InputRange findInputRange(Value input, const onnx::SymbolicShapes &symbols) {
  auto type = dyn_cast<TensorType>(input.getType());
  if (!type || !isa<IntegerType>(type.getElementType()) ||
      type.getElementType().isInteger(1))
    return {};
  RangeFinder finder(symbols);
  finder.follow(input);
  return finder.result;
}

int64_t findMaxPositions(func::FuncOp func,
                         const onnx::SymbolicShapes &symbols) {
  int64_t positions = std::numeric_limits<int64_t>::max();
  for (BlockArgument arg : func.getArguments()) {
    InputRange found = findInputRange(arg, symbols);
    if (found.positions)
      positions = std::min(positions, *found.positions);
    // Position ids may index tables by Gather.
    bool isPosition = onnx::getInputRole(func, arg.getArgNumber()) ==
                      onnx::InputRole::PositionIds;
    if (isPosition && found.range)
      positions = std::min(positions, found.range->second + 1);
  }
  func.walk([&](onnx::MsGroupQueryAttentionOp op) {
    if (op.getDoRotary().value_or(0) == 0 || onnx::isAbsent(op.getCosCache()))
      return;
    if (auto rows = getRows(op.getCosCache(), 0, symbols))
      positions = std::min(positions, *rows);
  });
  return positions;
}

//===----------------------------------------------------------------------===//
// Dimensions and symbols
//===----------------------------------------------------------------------===//

std::string Lowering::Impl::getDimName(const onnx::SymbolInfo &symbol) {
  std::string name = symbol.lhs ? symbol.name + "_and_more" : symbol.name;
  for (char &c : name)
    if (!llvm::isAlnum(c) && c != '_' && c != '.')
      c = '_';
  // Not a number, either.
  if (name.empty() || llvm::isDigit(name.front()))
    name.insert(name.begin(), '_');
  return name;
}

namespace {
/// Writes expressions with the names of level 2, in the grammar of hybrid.dims.
class DimPrinter {
public:
  DimPrinter(const onnx::SymbolicShapes &symbols) : symbols(symbols) {}

  std::string print(AffineExpr expr) const {
    if (auto constant = dyn_cast<AffineConstantExpr>(expr))
      return std::to_string(constant.getValue());
    if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
      return printSymbol(symbols.getSymbol(symbol.getPosition()));
    auto binary = cast<AffineBinaryOpExpr>(expr);
    std::string lhs = print(binary.getLHS()), rhs = print(binary.getRHS());
    if (expr.getKind() == AffineExprKind::Add) {
      AffineExpr negated = -binary.getRHS();
      auto factor = dyn_cast<AffineBinaryOpExpr>(binary.getRHS());
      bool isNegative = isNegativeNumber(binary.getRHS()) ||
                        (factor && factor.getKind() == AffineExprKind::Mul &&
                         isNegativeNumber(factor.getRHS()));
      return isNegative ? lhs + " - " + enclose(negated) : lhs + " + " + rhs;
    }
    return enclose(binary.getLHS()) + getOperator(expr.getKind()) +
           enclose(binary.getRHS(), /*always=*/true);
  }

private:
  static bool isNegativeNumber(AffineExpr expr) {
    auto constant = dyn_cast<AffineConstantExpr>(expr);
    return constant && constant.getValue() < 0;
  }

  static StringRef getOperatorName(AffineExprKind kind) {
    switch (kind) {
    case AffineExprKind::Mul:
      return "*";
    case AffineExprKind::Mod:
      return "mod";
    case AffineExprKind::FloorDiv:
      return "floordiv";
    case AffineExprKind::CeilDiv:
      return "ceildiv";
    default:
      llvm_unreachable("sums and leaves are printed elsewhere");
    }
  }
  static std::string getOperator(AffineExprKind kind) {
    return (" " + getOperatorName(kind) + " ").str();
  }

  /// In parentheses where it is a sum, or any operation with `always`.
  std::string enclose(AffineExpr expr, bool always = false) const {
    bool isBinary = isa<AffineBinaryOpExpr>(expr);
    bool isSum = isBinary && expr.getKind() == AffineExprKind::Add;
    if (isSum || (always && (isBinary || isNegativeNumber(expr))))
      return "(" + print(expr) + ")";
    return print(expr);
  }

  std::string printSymbol(const onnx::SymbolInfo &info) const {
    using Kind = onnx::SymbolInfo::Kind;
    std::string name = Lowering::Impl::getDimName(info);
    switch (info.kind) {
    case Kind::InputDim:
      return info.lhs ? "(" + name + " - " + enclose(info.lhs) + ")" : name;
    case Kind::Max:
    case Kind::Min:
      return (info.kind == Kind::Max ? "max(" : "min(") + print(info.lhs) +
             ", " + print(info.rhs) + ")";
    case Kind::ValueDim:
    case Kind::Element:
      return name;
    }
    llvm_unreachable("all kinds are covered");
  }

  const onnx::SymbolicShapes &symbols;
};
} // namespace

ArrayAttr getDimsAttr(MLIRContext *context, ArrayRef<AffineExpr> shape,
                      const onnx::SymbolicShapes &symbols) {
  SmallVector<Attribute> dims;
  for (AffineExpr dim : shape) {
    AffineExpr simple = symbols.simplify(dim);
    if (auto constant = dyn_cast<AffineConstantExpr>(simple))
      dims.push_back(
          IntegerAttr::get(IntegerType::get(context, 64), constant.getValue()));
    else
      dims.push_back(
          StringAttr::get(context, DimPrinter(symbols).print(simple)));
  }
  return ArrayAttr::get(context, dims);
}

void SymbolTableBuilder::add(func::FuncOp func,
                             const onnx::SymbolicShapes &symbols,
                             int64_t context) {
  auto roles = func->getAttrOfType<DictionaryAttr>(onnx::kRolesAttr);
  auto hasRole = [&](StringRef role, StringRef name) {
    auto attr = roles ? roles.getAs<StringAttr>(role) : StringAttr();
    return attr && attr.getValue() == name;
  };
  for (unsigned i = 0; i < symbols.getNumSymbols(); ++i) {
    const onnx::SymbolInfo &symbol = symbols.getSymbol(i);
    if (symbol.kind != onnx::SymbolInfo::Kind::InputDim)
      continue;
    Entry entry{Lowering::Impl::getDimName(symbol), "dim", capacities.other};
    if (hasRole("batch", symbol.name))
      entry = {entry.name, "batch", capacities.batch};
    else if (hasRole("seq", symbol.name))
      entry = {entry.name, "seq", std::min(capacities.seq, context)};
    else if (hasRole("past", symbol.name))
      entry = {entry.name, "past", context};
    auto given = capacities.byName.find(entry.name);
    if (given != capacities.byName.end())
      entry.capacity = given->second;
    auto known = llvm::find_if(
        entries, [&](const Entry &other) { return other.name == entry.name; });
    if (known == entries.end())
      entries.push_back(entry);
    else
      known->capacity = std::min(known->capacity, entry.capacity);
  }
}

ArrayAttr SymbolTableBuilder::build(MLIRContext *context) const {
  Builder b(context);
  SmallVector<Attribute> attrs;
  // batch, seq, past, then the others as they appear.
  for (StringRef role : {"batch", "seq", "past", "dim"})
    for (const Entry &entry : entries)
      if (entry.role == role)
        attrs.push_back(b.getDictionaryAttr(
            {b.getNamedAttr("name", b.getStringAttr(entry.name)),
             b.getNamedAttr("role", b.getStringAttr(role)),
             b.getNamedAttr("capacity", b.getI64IntegerAttr(entry.capacity))}));
  return b.getArrayAttr(attrs);
}

} // namespace hybrid
