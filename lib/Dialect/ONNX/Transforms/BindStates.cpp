//===- BindStates.cpp - pass onnx-bind-states -----------------------------===//

#include "hybrid/Dialect/ONNX/IR/ONNXMicrosoftOps.h"
#include "hybrid/Dialect/ONNX/IR/ONNXNNOps.h"
#include "hybrid/Dialect/ONNX/Transforms/InputRole.h"
#include "hybrid/Dialect/ONNX/Transforms/Passes.h"
#include "hybrid/Dialect/ONNX/Transforms/SymbolicShape.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace hybrid::onnx {

#define GEN_PASS_DEF_ONNXBINDSTATES
#include "dialects/ONNX/ONNXPasses.h.inc"

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

static StringRef getArgName(func::FuncOp func, unsigned index) {
  auto name = func.getArgAttrOfType<StringAttr>(index, ONNXDialect::kNameAttr);
  return name ? name.getValue() : "";
}

static bool isIntegerOfRank(Type type, int64_t rank) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getRank() == rank &&
         isa<IntegerType>(tensor.getElementType()) &&
         !tensor.getElementType().isInteger(1);
}

InputRole getInputRole(func::FuncOp func, unsigned index) {
  auto basicRole = [&](unsigned i) {
    StringRef name = getArgName(func, i);
    if (func.getArgAttr(i, kStateAttr))
      return InputRole::State;
    if (name == "position_ids")
      return InputRole::PositionIds;
    if (name == "attention_mask")
      return InputRole::AttentionMask;
    return InputRole::Data;
  };
  InputRole role = basicRole(index);
  if (role != InputRole::Data)
    return role;
  for (StringRef tokens : {"input_ids", "inputs_embeds"})
    for (unsigned i = 0; i < func.getNumArguments(); ++i)
      if (getArgName(func, i) == tokens)
        return i == index ? InputRole::Tokens : InputRole::Data;
  for (unsigned i = 0; i < func.getNumArguments(); ++i)
    if (basicRole(i) == InputRole::Data &&
        isIntegerOfRank(func.getArgument(i).getType(), 2))
      return i == index ? InputRole::Tokens : InputRole::Data;
  return InputRole::Data;
}

/// Whether `text` starts with a number, as in "0.key" and "12".
static bool startsWithIndex(StringRef text) {
  return !text.empty() && llvm::isDigit(text.front());
}

/// The graph output that belongs to the graph input `past` by the names that
/// exporters use, or "" if it isn't named like a state.
static std::string getPresentName(StringRef past) {
  StringRef rest = past;
  // transformers' exporter.
  if (rest.consume_front("input.")) {
    if (rest.starts_with("past_key_values."))
      return ("output." + rest).str();
    return "";
  }
  // Hugging Face optimum, mobius, genai's keys and values.
  for (StringRef prefix : {"past_key_values.", "past_states.", "past."})
    if (rest.consume_front(prefix))
      return startsWithIndex(rest) ? ("present." + rest).str() : "";
  // past_<what>.<layer>, as in transformers.js and genai, and the like.
  if (rest.consume_front("past_"))
    return ("present_" + rest).str();
  return "";
}

/// Whether `text` is a name rather than an expression.
static bool isIdentifier(StringRef text) {
  return !text.empty() && !llvm::isDigit(text.front()) &&
         llvm::all_of(text,
                      [](char c) { return llvm::isAlnum(c) || c == '_'; });
}

//===----------------------------------------------------------------------===//
// Analysis of one function
//===----------------------------------------------------------------------===//

namespace {
struct Pair {
  unsigned past, present;
  StringRef kind;
  int64_t lengthAxis = -1;
};

class StateBinder {
public:
  StateBinder(func::FuncOp func) : func(func), builder(func.getContext()) {
    terminator = cast<func::ReturnOp>(func.getBody().front().getTerminator());
  }

  /// `given` are pairs that the user names, as "in:out"; they replace what the
  /// rules find. `mark`: whether states become states.
  LogicalResult run(ArrayRef<std::string> given, bool mark,
                    std::map<std::string, std::string> bindings);

private:
  using Dims = SmallVector<std::string>;

  LogicalResult findGivenPairs(ArrayRef<std::string> given);
  void findNamedPairs();
  std::optional<Pair> match(unsigned past, unsigned present);
  bool fitsOneToken(AffineExpr past, AffineExpr present);
  std::optional<int64_t> findHeadDim(Value past);

  void findRoles();
  void bind(StringRef name, const Twine &expression);
  void bindStateDims(const Pair &pair);
  void bindMask();
  void bindPositions();

  Dims getDims(DictionaryAttr attrs);
  Dims getArgDims(unsigned i) { return getDims(func.getArgAttrDict(i)); }
  StringRef getResultName(unsigned i) {
    auto name = func.getResultAttrOfType<StringAttr>(i, ONNXDialect::kNameAttr);
    return name ? name.getValue() : "";
  }

  func::FuncOp func;
  func::ReturnOp terminator;
  Builder builder;
  std::optional<SymbolicShapes> shapes;
  SmallVector<Pair> pairs;
  std::map<std::string, std::string> bindings;
  /// Names of dimensions; empty where there is none.
  std::string batch, seq, past;
};
} // namespace

/// One text per dimension of an argument or result.
StateBinder::Dims StateBinder::getDims(DictionaryAttr attrs) {
  Dims texts;
  auto dims =
      attrs ? attrs.getAs<ArrayAttr>(ONNXDialect::kDimsAttr) : ArrayAttr();
  if (!dims)
    return texts;
  for (Attribute dim : dims) {
    if (auto name = dyn_cast<StringAttr>(dim))
      texts.push_back(name.str());
    else if (auto size = dyn_cast<IntegerAttr>(dim))
      texts.push_back(std::to_string(size.getInt()));
    else
      texts.emplace_back();
  }
  return texts;
}

//===----------------------------------------------------------------------===//
// Pairs
//===----------------------------------------------------------------------===//

/// Whether a state's size `past` is what the size `present` comes to when a
/// call has one token: such a graph takes one token per call.
bool StateBinder::fitsOneToken(AffineExpr past, AffineExpr present) {
  AffineExpr length = seq.empty() ? AffineExpr() : shapes->lookupSymbol(seq);
  if (!length || !isa<AffineSymbolExpr>(length) ||
      !isa<AffineConstantExpr>(past))
    return false;
  AffineExpr one = builder.getAffineConstantExpr(1);
  return shapes->simplify(present.replace(length, one)) == past;
}

/// By shape: the same element type and dimensions, except that one dimension
/// after the batch may grow.
std::optional<Pair> StateBinder::match(unsigned past, unsigned present) {
  Value input = func.getArgument(past), output = terminator.getOperand(present);
  auto inputType = dyn_cast<TensorType>(input.getType());
  auto outputType = dyn_cast<TensorType>(output.getType());
  std::optional<ArrayRef<AffineExpr>> before = shapes->getShape(input);
  std::optional<ArrayRef<AffineExpr>> after = shapes->getShape(output);
  if (!inputType || !outputType || !before || !after ||
      inputType.getElementType() != outputType.getElementType() ||
      before->size() != after->size() || before->size() < 2)
    return std::nullopt;
  Pair pair{past, present, "recurrent"};
  bool oneToken = false;
  Dims declared = getDims(func.getResultAttrDict(present));
  Dims names = getArgDims(past);
  for (unsigned i = 0; i < before->size(); ++i) {
    AffineExpr from = (*before)[i], to = (*after)[i];
    bool sameName = i < declared.size() && i < names.size() &&
                    !names[i].empty() && names[i] == declared[i];
    if (sameName || shapes->isEqual(from, to))
      continue;
    if (fitsOneToken(from, to)) {
      oneToken = true;
      continue;
    }
    // A batch under two names is one batch.
    bool isSymbol = isa<AffineSymbolExpr>(from);
    if (i == 0 && isSymbol && isa<AffineSymbolExpr>(to))
      continue;
    if (i == 0 || !isSymbol || pair.lengthAxis >= 0)
      return std::nullopt;
    pair.lengthAxis = i;
  }
  if (oneToken && pair.lengthAxis < 0)
    bind(seq, "1");
  bool namedConv = getArgName(func, past).contains("conv");
  if (pair.lengthAxis >= 0)
    pair.kind = "kv";
  else if (namedConv || before->size() == 3)
    pair.kind = "conv";
  return pair;
}

LogicalResult StateBinder::findGivenPairs(ArrayRef<std::string> given) {
  for (StringRef text : given) {
    // Names may hold colons: try every place.
    std::optional<std::pair<unsigned, unsigned>> found;
    for (size_t colon = text.find(':'); colon != StringRef::npos;
         colon = text.find(':', colon + 1))
      for (unsigned i = 0; i < func.getNumArguments(); ++i)
        for (unsigned j = 0; j < func.getNumResults(); ++j)
          if (getArgName(func, i) == text.take_front(colon) &&
              getResultName(j) == text.drop_front(colon + 1))
            found = {i, j};
    if (!found)
      return func.emitError() << "'" << text
                              << "' is not the name of an input, a colon and "
                                 "the name of an output";
    std::optional<Pair> pair = match(found->first, found->second);
    if (!pair)
      return func.emitError()
             << "'" << text << "' is not a state: the types "
             << func.getArgument(found->first).getType() << " and "
             << terminator.getOperand(found->second).getType()
             << " must agree in all but one dimension, which grows";
    pairs.push_back(*pair);
  }
  return success();
}

void StateBinder::findNamedPairs() {
  for (unsigned i = 0; i < func.getNumArguments(); ++i) {
    std::string present = getPresentName(getArgName(func, i));
    if (present.empty())
      continue;
    for (unsigned j = 0; j < func.getNumResults(); ++j)
      if (getResultName(j) == present)
        if (std::optional<Pair> pair = match(i, j))
          pairs.push_back(*pair);
  }
}

//===----------------------------------------------------------------------===//
// Dimensions
//===----------------------------------------------------------------------===//

void StateBinder::bind(StringRef name, const Twine &expression) {
  std::string text = expression.str();
  if (isIdentifier(name) && name != text)
    bindings.try_emplace(name.str(), text);
}

/// Batch and seq are the first two dimensions of the tokens, or else of the
/// first input of rank 2 or more.
void StateBinder::findRoles() {
  std::optional<unsigned> tokens;
  for (unsigned i = 0; i < func.getNumArguments() && !tokens; ++i)
    if (getInputRole(func, i) == InputRole::Tokens)
      tokens = i;
  for (unsigned i = 0; i < func.getNumArguments() && !tokens; ++i)
    if (getArgDims(i).size() >= 2 &&
        getPresentName(getArgName(func, i)).empty())
      tokens = i;
  if (!tokens)
    return;
  Dims dims = getArgDims(*tokens);
  if (dims.size() < 2)
    return;
  if (isIdentifier(dims[0]))
    batch = dims[0];
  if (isIdentifier(dims[1]))
    seq = dims[1];
  // The graph itself may allow one number of tokens only.
  if (AffineExpr length = shapes->lookupSymbol(seq))
    if (auto size = dyn_cast<AffineConstantExpr>(length))
      bind(seq, Twine(size.getValue()));
}

/// The head size that the users of a cache imply.
std::optional<int64_t> StateBinder::findHeadDim(Value past) {
  auto fixedDim = [&](Value value, int64_t dim) -> std::optional<int64_t> {
    std::optional<ArrayRef<AffineExpr>> shape = shapes->getShape(value);
    if (!shape || static_cast<int64_t>(shape->size()) <= dim)
      return std::nullopt;
    auto size = dyn_cast<AffineConstantExpr>((*shape)[dim]);
    return size ? std::optional(size.getValue()) : std::nullopt;
  };
  auto divide = [](std::optional<int64_t> size,
                   int64_t heads) -> std::optional<int64_t> {
    if (!size || heads < 1 || *size % heads)
      return std::nullopt;
    return *size / heads;
  };
  for (Operation *user : past.getUsers()) {
    if (auto op = dyn_cast<MsGroupQueryAttentionOp>(user)) {
      int64_t heads = op.getKvNumHeads();
      if (!isAbsent(op.getKey()))
        return divide(fixedDim(op.getKey(), 2), heads);
      return divide(fixedDim(op.getQuery(), 2),
                    static_cast<int64_t>(op.getNumHeads()) + 2 * heads);
    }
    if (auto op = dyn_cast<AttentionOp>(user)) {
      Value fresh = past == op.getPastKey() ? op.getK() : op.getV();
      if (std::optional<int64_t> size = fixedDim(fresh, 3))
        return size;
      return divide(fixedDim(fresh, 2), op.getKvNumHeads().value_or(0));
    }
  }
  return std::nullopt;
}

void StateBinder::bindStateDims(const Pair &pair) {
  Dims dims = getArgDims(pair.past);
  Dims present = getDims(func.getResultAttrDict(pair.present));
  if (dims.empty())
    return;
  if (!batch.empty())
    bind(dims[0], batch);
  if (pair.lengthAxis >= 0) {
    const std::string &length = dims[pair.lengthAxis];
    if (past.empty() && isIdentifier(length))
      past = length;
    bind(length, past);
    std::string tokens = seq.empty() ? "1" : seq;
    if (static_cast<size_t>(pair.lengthAxis) < present.size() &&
        present[pair.lengthAxis] != tokens && present[pair.lengthAxis] != past)
      bind(present[pair.lengthAxis], past + " + " + tokens);
  }
  for (unsigned i = 1; i < dims.size(); ++i)
    if (isIdentifier(dims[i]) && static_cast<int64_t>(i) != pair.lengthAxis &&
        dims[i] != seq && dims[i] != batch)
      if (std::optional<int64_t> size =
              findHeadDim(func.getArgument(pair.past)))
        if (i + 1 == dims.size())
          bind(dims[i], Twine(*size));
}

/// The mask covers what the session holds and this call's tokens.
void StateBinder::bindMask() {
  if (past.empty())
    return;
  for (unsigned i = 0; i < func.getNumArguments(); ++i) {
    if (getInputRole(func, i) != InputRole::AttentionMask)
      continue;
    Dims dims = getArgDims(i);
    if (dims.size() != 2)
      continue;
    if (!batch.empty())
      bind(dims[0], batch);
    std::string tokens = seq.empty() ? "1" : seq;
    if (isIdentifier(dims[1]) && dims[1] != seq && dims[1] != past) {
      bind(dims[1], past + " + " + tokens);
      continue;
    }
    // A sum of two names, as in "past_len + seq_len".
    auto [left, right] = StringRef(dims[1]).split('+');
    left = left.trim();
    right = right.trim();
    if (!isIdentifier(left) || !isIdentifier(right))
      continue;
    if (right == past || left == tokens)
      std::swap(left, right);
    bind(left, past);
    bind(right, tokens);
  }
}

/// Positions have one entry per token.
void StateBinder::bindPositions() {
  for (unsigned i = 0; i < func.getNumArguments(); ++i) {
    if (getInputRole(func, i) != InputRole::PositionIds)
      continue;
    Dims dims = getArgDims(i);
    if (dims.size() < 2)
      continue;
    if (!seq.empty())
      bind(dims.back(), seq);
    if (!batch.empty())
      bind(dims[dims.size() - 2], batch);
  }
}

LogicalResult StateBinder::run(ArrayRef<std::string> given, bool mark,
                               std::map<std::string, std::string> fixed) {
  bindings = std::move(fixed);
  SymbolicShapeOptions options;
  options.bindings = bindings;
  FailureOr<SymbolicShapes> computed = SymbolicShapes::compute(func, options);
  if (failed(computed))
    return failure();
  shapes = std::move(*computed);
  findRoles();
  if (given.empty())
    findNamedPairs();
  else if (failed(findGivenPairs(given)))
    return failure();
  for (const Pair &pair : pairs)
    bindStateDims(pair);
  bindMask();
  bindPositions();

  if (mark) {
    for (const Pair &pair : pairs) {
      SmallVector<NamedAttribute> attrs = {
          builder.getNamedAttr(
              "present", builder.getStringAttr(getResultName(pair.present))),
          builder.getNamedAttr("kind", builder.getStringAttr(pair.kind))};
      if (pair.lengthAxis >= 0)
        attrs.push_back(builder.getNamedAttr(
            "length_axis", builder.getI64IntegerAttr(pair.lengthAxis)));
      func.setArgAttr(pair.past, kStateAttr, builder.getDictionaryAttr(attrs));
    }
  }
  SmallVector<NamedAttribute> bound, roles;
  for (auto &[name, expression] : bindings)
    bound.push_back(
        builder.getNamedAttr(name, builder.getStringAttr(expression)));
  auto addRole = [&](StringRef role, const std::string &name) {
    if (!name.empty())
      roles.push_back(builder.getNamedAttr(role, builder.getStringAttr(name)));
  };
  addRole("batch", batch);
  addRole("seq", seq);
  if (mark)
    addRole("past", past);
  func->setAttr(kBindingsAttr, builder.getDictionaryAttr(bound));
  func->setAttr(kRolesAttr, builder.getDictionaryAttr(roles));
  return success();
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

namespace {
class BindStates : public impl::ONNXBindStatesBase<BindStates> {
public:
  using ONNXBindStatesBase::ONNXBindStatesBase;

  void runOnOperation() override {
    std::map<std::string, std::string> fixed;
    for (StringRef text : bindings) {
      auto [name, expression] = text.split('=');
      if (!isIdentifier(name) || expression.empty()) {
        getOperation().emitError()
            << "expected name=expression, not '" << text << "'";
        return signalPassFailure();
      }
      fixed[name.str()] = expression.str();
    }
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      if (func.isDeclaration() || !func.isPublic() || func->hasAttr(kRolesAttr))
        continue;
      if (failed(StateBinder(func).run(pairs, !none, fixed)))
        return signalPassFailure();
    }
  }
};
} // namespace

} // namespace hybrid::onnx
