//===- DimExpr.cpp - sizes written as expressions over symbols ------------===//
//
// The grammar of `hybrid.dims`: sums and differences of products of integers, symbols,
// max(a, b), min(a, b) and parenthesised expressions; floordiv, ceildiv and mod
// bind like products.
//
//===----------------------------------------------------------------------===//

#include "hybrid/Conversion/ScheduleToKernel/Passes.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "llvm/ADT/ScopeExit.h"

using namespace mlir;

namespace hybrid {
namespace {

class DimParser {
public:
  DimParser(OpBuilder &builder, Location loc, StringRef text,
            function_ref<Value(StringRef)> symbol)
      : builder(builder), loc(loc), rest(text), symbol(symbol) {}

  /// Null on failure.
  OpFoldResult parse() {
    OpFoldResult value = parseSum();
    return peek().empty() ? value : OpFoldResult();
  }

private:
  /// The next token, or an empty string.
  StringRef peek() {
    rest = rest.ltrim();
    if (rest.empty())
      return {};
    if (StringRef("+-*(),").contains(rest.front()))
      return rest.take_front(1);
    return rest.take_until(
        [](char c) { return StringRef("+-*(), ").contains(c); });
  }
  bool accept(StringRef token) {
    if (peek() != token)
      return false;
    rest = rest.drop_front(token.size());
    return true;
  }
  OpFoldResult combine(AffineExpr expr, OpFoldResult a, OpFoldResult b) {
    if (!a || !b)
      return {};
    return affine::makeComposedFoldedAffineApply(builder, loc, expr, {a, b});
  }

  OpFoldResult parseSum() {
    OpFoldResult value = parseProduct();
    while (value) {
      if (accept("+"))
        value = combine(s0() + s1(), value, parseProduct());
      else if (accept("-"))
        value = combine(s0() - s1(), value, parseProduct());
      else
        break;
    }
    return value;
  }
  OpFoldResult parseProduct() {
    OpFoldResult value = parseAtom();
    while (value) {
      if (accept("*"))
        value = combine(s0() * s1(), value, parseAtom());
      else if (accept("floordiv"))
        value = combine(s0().floorDiv(s1()), value, parseDivisor());
      else if (accept("ceildiv"))
        value = combine(s0().ceilDiv(s1()), value, parseDivisor());
      else if (accept("mod"))
        value = combine(s0() % s1(), value, parseDivisor());
      else
        break;
    }
    return value;
  }
  /// Affine arithmetic divides by positive numbers only.
  OpFoldResult parseDivisor() {
    OpFoldResult value = parseAtom();
    if (!value)
      return {};
    auto constant = getConstantIntValue(value);
    return constant && *constant <= 0 ? OpFoldResult() : value;
  }
  OpFoldResult parseAtom() {
    // Untrusted text must not exhaust the stack.
    if (++depth > 64)
      return {};
    llvm::scope_exit leave([&] { --depth; });
    if (accept("-"))
      return combine(s0() - s1(), builder.getIndexAttr(0), parseAtom());
    if (accept("(")) {
      OpFoldResult value = parseSum();
      return accept(")") ? value : OpFoldResult();
    }
    StringRef token = peek();
    if (token.empty() || StringRef("+-*(),").contains(token.front()))
      return {};
    rest = rest.drop_front(token.size());
    int64_t number;
    if (!token.getAsInteger(10, number))
      return OpFoldResult(builder.getIndexAttr(number));
    if ((token == "max" || token == "min") && accept("(")) {
      OpFoldResult a = parseSum();
      if (!a || !accept(","))
        return {};
      OpFoldResult b = parseSum();
      if (!b || !accept(")"))
        return {};
      AffineMap both = AffineMap::get(0, 2, {s0(), s1()}, builder.getContext());
      return token == "max" ? affine::makeComposedFoldedAffineMax(
                                  builder, loc, both, {a, b})
                            : affine::makeComposedFoldedAffineMin(
                                  builder, loc, both, {a, b});
    }
    Value value = symbol(token);
    return value ? OpFoldResult(value) : OpFoldResult();
  }

  AffineExpr s0() { return builder.getAffineSymbolExpr(0); }
  AffineExpr s1() { return builder.getAffineSymbolExpr(1); }

  OpBuilder &builder;
  Location loc;
  StringRef rest;
  function_ref<Value(StringRef)> symbol;
  unsigned depth = 0;
};

} // namespace

FailureOr<SmallVector<OpFoldResult>>
buildDims(OpBuilder &builder, Location loc, ArrayAttr dims,
          function_ref<Value(StringRef)> symbol) {
  SmallVector<OpFoldResult> sizes;
  for (Attribute dim : dims) {
    OpFoldResult size;
    if (auto number = dyn_cast<IntegerAttr>(dim)) {
      size = builder.getIndexAttr(number.getInt());
    } else if (auto text = dyn_cast<StringAttr>(dim)) {
      // A symbol's name may be any text, also one that reads as an expression.
      if (Value whole = symbol(text))
        size = whole;
      else
        size = DimParser(builder, loc, text, symbol).parse();
    }
    std::optional<int64_t> constant;
    if (size)
      constant = getConstantIntValue(size);
    if (!size || (constant && *constant < 0))
      return emitError(loc) << "dimension " << dim << " of " << dims
                            << " is not an expression over the module's "
                               "hybrid.symbols";
    sizes.push_back(size);
  }
  return sizes;
}

} // namespace hybrid
