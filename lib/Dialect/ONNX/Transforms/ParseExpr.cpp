//===- ParseExpr.cpp - Expressions in names of dimensions -----------------===//
//
//   sum     := product (('+' | '-') product)*
//   product := factor (('*' | '/' | '//' | 'floordiv' | '%' | 'mod') factor)*
//   factor  := number | '-' factor | '(' sum ')' | name | name '(' sum ',' …
//   ')'
//
// Names hold letters, digits, '_', '.', and '-' between two of these.
//
//===----------------------------------------------------------------------===//

#include "ShapeInference.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace hybrid::onnx;

namespace {
class ExprParser {
public:
  ExprParser(StringRef text, SymbolicAlgebra &math, NameResolver resolve)
      : rest(text), math(math), resolve(resolve) {}

  Expr parse() {
    Expr expr = parseSum();
    skipSpace();
    return rest.empty() ? expr : Expr();
  }

private:
  static bool isNameChar(char c) {
    return llvm::isAlnum(c) || c == '_' || c == '.';
  }

  void skipSpace() { rest = rest.ltrim(); }

  bool consume(StringRef token) {
    skipSpace();
    return rest.consume_front(token);
  }

  StringRef takeName() {
    size_t length = 0;
    while (length < rest.size() &&
           (isNameChar(rest[length]) ||
            (rest[length] == '-' && length > 0 && length + 1 < rest.size() &&
             isNameChar(rest[length + 1]))))
      ++length;
    StringRef name = rest.take_front(length);
    rest = rest.drop_front(length);
    return name;
  }

  Expr parseSum() {
    Expr sum = parseProduct();
    while (sum) {
      if (consume("+"))
        sum = math.add(sum, parseProduct());
      else if (consume("-"))
        sum = math.sub(sum, parseProduct());
      else
        break;
    }
    return sum;
  }

  Expr parseProduct() {
    Expr product = parseFactor();
    while (product) {
      if (consume("*"))
        product = math.mul(product, parseFactor());
      else if (consume("//") || consume("floordiv ") || consume("/"))
        product = math.floorDiv(product, parseFactor());
      else if (consume("%") || consume("mod "))
        product = math.mod(product, parseFactor());
      else
        break;
    }
    return product;
  }

  Expr parseFactor() {
    // Bounds the recursion: a name of a dimension comes from a file.
    if (++depth > 64)
      return Expr();
    Expr expr = parseFactorAtDepth();
    --depth;
    return expr;
  }

  Expr parseFactorAtDepth() {
    if (consume("-"))
      return math.neg(parseFactor());
    if (consume("(")) {
      Expr sum = parseSum();
      return consume(")") ? sum : Expr();
    }
    StringRef name = takeName();
    if (name.empty())
      return Expr();
    int64_t number;
    if (!name.getAsInteger(10, number))
      return math.constant(number);
    if (consume("("))
      return parseCall(name);
    return resolve(name);
  }

  Expr parseCall(StringRef name) {
    Expr left = parseSum();
    if (!left || !consume(","))
      return Expr();
    Expr right = parseSum();
    if (!right || !consume(")"))
      return Expr();
    if (name.equals_insensitive("max"))
      return math.max(left, right);
    if (name.equals_insensitive("min"))
      return math.min(left, right);
    if (name.equals_insensitive("mod"))
      return math.mod(left, right);
    return Expr();
  }

  StringRef rest;
  SymbolicAlgebra &math;
  NameResolver resolve;
  unsigned depth = 0;
};
} // namespace

Expr hybrid::onnx::parseExpr(StringRef text, SymbolicAlgebra &math,
                             NameResolver resolve) {
  return ExprParser(text, math, resolve).parse();
}
