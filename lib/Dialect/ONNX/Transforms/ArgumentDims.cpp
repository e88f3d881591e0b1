//===- ArgumentDims.cpp - Symbols for the dimensions of graph inputs ------===//
//
// A dimension called "seq" makes a symbol. One called "past + seq", or one that
// a binding makes so, is an expression if all its names are known, and else
// defines the one that is not; with more than one unknown name it is a symbol
// of its own.
//
//===----------------------------------------------------------------------===//

#include "ArgumentDims.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace hybrid::onnx;

ArgumentDims::ArgumentDims(func::FuncOp func,
                           const SymbolicShapeOptions &options,
                           SymbolicAlgebra &math)
    : func(func), options(options), math(math), bindings(options.bindings) {
  auto attribute = func->getAttrOfType<DictionaryAttr>("onnx.bindings");
  if (!attribute)
    return;
  for (NamedAttribute entry : attribute)
    if (auto text = dyn_cast<StringAttr>(entry.getValue()))
      bindings.try_emplace(entry.getName().str(), text.str());
}

void ArgumentDims::run() {
  collect();
  for (Dim &dim : dims)
    if (isPlainName(dim.text) && !bindings.count(dim.text))
      nameExactly(dim, dim.text);
  // Each round may make names known that others wait for.
  for (bool progress = true; progress;) {
    progress = false;
    for (size_t maxUnknown : {0, 1}) {
      for (Dim &dim : dims)
        if (!dim.expr && define(dim, maxUnknown))
          progress = true;
      if (progress)
        break;
    }
  }
  for (Dim &dim : dims)
    if (!dim.expr)
      nameExactly(dim, dim.text);
}

/// Every dynamic dimension of every argument.
void ArgumentDims::collect() {
  for (BlockArgument argument : func.getArguments()) {
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type)
      continue;
    unsigned number = argument.getArgNumber();
    auto names = func.getArgAttrOfType<ArrayAttr>(number, "onnx.dims");
    auto name = func.getArgAttrOfType<StringAttr>(number, "onnx.name");
    for (int64_t i = 0; i < type.getRank(); ++i) {
      if (!type.isDynamicDim(i))
        continue;
      StringAttr text;
      if (names && i < static_cast<int64_t>(names.size()))
        text = dyn_cast<StringAttr>(names[i]);
      bool named = text && !text.empty() && text.getValue() != "?";
      std::string stem = name ? name.str() : "input" + std::to_string(number);
      dims.push_back({argument, i,
                      named ? text.getValue().trim().str()
                            : stem + ".dim" + std::to_string(i),
                      Expr()});
    }
  }
}

bool ArgumentDims::isPlainName(StringRef text) {
  bool plain = false;
  parseExpr(text, math, [&](StringRef name) {
    plain = name == text;
    return Expr();
  });
  // What does not parse at all is a name too.
  bool hasOperator = text.find_first_of("+*/%()") != StringRef::npos ||
                     text.contains(" - ") || text.contains(" mod ") ||
                     text.contains(" floordiv ");
  return plain || !hasOperator;
}

int64_t ArgumentDims::minimumOf(const Dim &dim, StringRef name) const {
  auto stated = options.minimums.find(name.str());
  if (stated != options.minimums.end())
    return stated->second;
  auto type = cast<RankedTensorType>(dim.argument.getType());
  bool isTokens = type.getElementType().isInteger() && type.getRank() <= 2;
  return dim.index == 0 || isTokens ? 1 : 0;
}

void ArgumentDims::nameExactly(Dim &dim, StringRef name) {
  if (Expr known = math.lookup(name)) {
    // Of two places with the same name the stricter minimum holds.
    SymbolInfo &symbol =
        math.getSymbol(cast<AffineSymbolExpr>(known).getPosition());
    symbol.minimum = std::max(symbol.minimum, minimumOf(dim, name));
    dim.expr = known;
    return;
  }
  dim.expr =
      math.addSymbol({SymbolInfo::Kind::InputDim, name.str(), dim.argument,
                      dim.index, Expr(), Expr(), minimumOf(dim, name)});
}

/// The value of a name: bound, or a symbol. Names that have none go to
/// `unknown`.
Expr ArgumentDims::resolve(StringRef name, llvm::SetVector<StringRef> &unknown,
                           unsigned depth) {
  auto binding = bindings.find(name.str());
  if (binding != bindings.end() && depth < 16)
    return parseExpr(binding->second, math, [&](StringRef inner) {
      return resolve(inner, unknown, depth + 1);
    });
  if (Expr symbol = math.lookup(name))
    return symbol;
  unknown.insert(name);
  // Something, so that the parse goes on and finds all names.
  return math.constant(1);
}

/// Gives `dim` its expression if its text has at most `maxUnknown` names
/// without a value; such a name gets one from this dimension.
bool ArgumentDims::define(Dim &dim, size_t maxUnknown) {
  auto parse = [&](llvm::SetVector<StringRef> &unknown) {
    if (isPlainName(dim.text))
      return resolve(dim.text, unknown, 0);
    return parseExpr(dim.text, math,
                     [&](StringRef name) { return resolve(name, unknown, 0); });
  };
  llvm::SetVector<StringRef> unknown;
  Expr expr = parse(unknown);
  if (!expr || unknown.size() != maxUnknown)
    return false;
  if (unknown.empty()) {
    dim.expr = expr;
    return true;
  }
  std::string name = unknown.front().str();
  Expr symbol =
      math.addSymbol({SymbolInfo::Kind::InputDim, name, dim.argument, dim.index,
                      Expr(), Expr(), minimumOf(dim, name)});
  unsigned position = cast<AffineSymbolExpr>(symbol).getPosition();
  llvm::SetVector<StringRef> none;
  dim.expr = parse(none);
  Expr others = math.sub(dim.expr, symbol);
  bool solved = others && !others.isFunctionOfSymbol(position);
  SymbolInfo &info = math.getSymbol(position);
  if (solved) {
    if (SymbolicAlgebra::constantValue(others) != 0) {
      info.lhs = others;
      info.minimum = 0;
    }
    return true;
  }
  // Not "name + known": the dimension as a whole is the symbol.
  math.rename(position, dim.text);
  dim.expr = symbol;
  return true;
}
