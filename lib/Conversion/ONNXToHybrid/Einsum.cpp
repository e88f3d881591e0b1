//===- Einsum.cpp - ONNX Einsum to contractions ---------------------------===//
//
// Operands are multiplied from left to right, two at a time; a label is summed
// as soon as neither a later operand nor the output has it.
//
//===----------------------------------------------------------------------===//

#include "Contraction.h"

#include "hybrid/Dialect/ONNX/IR/ONNXReductionOps.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace hybrid;

namespace {
/// Labels of the dimensions that `...` stands for, from the last one. Letters
/// are their own labels.
constexpr Label kEllipsis = 256;

/// A part of the equation: letters, and possibly one ellipsis among them.
struct Term {
  std::string letters;
  /// Number of letters before the ellipsis.
  std::optional<unsigned> ellipsis;
};

struct Equation {
  SmallVector<Term> inputs;
  std::optional<Term> output;
};
} // namespace

static std::optional<Term> parseTerm(StringRef text) {
  Term term;
  while (!text.empty()) {
    if (text.consume_front("...")) {
      if (term.ellipsis)
        return std::nullopt;
      term.ellipsis = term.letters.size();
      continue;
    }
    if (!llvm::isAlpha(text.front()))
      return std::nullopt;
    term.letters += text.front();
    text = text.drop_front();
  }
  return term;
}

static std::optional<Equation> parseEquation(StringRef text) {
  std::string compact;
  for (char c : text)
    if (!llvm::isSpace(c))
      compact += c;
  auto [left, right] = StringRef(compact).split("->");
  Equation equation;
  SmallVector<StringRef> parts;
  left.split(parts, ',');
  for (StringRef part : parts) {
    std::optional<Term> term = parseTerm(part);
    if (!term)
      return std::nullopt;
    equation.inputs.push_back(*term);
  }
  if (StringRef(compact).contains("->")) {
    equation.output = parseTerm(right);
    if (!equation.output)
      return std::nullopt;
  }
  return equation;
}

/// One label per dimension, where the ellipsis stands for `hidden` of them.
static Labels getLabels(const Term &term, unsigned hidden) {
  Labels labels;
  auto addEllipsis = [&] {
    for (unsigned i = hidden; i > 0; --i)
      labels.push_back(kEllipsis + i - 1);
  };
  for (auto [i, letter] : llvm::enumerate(term.letters)) {
    if (term.ellipsis == i)
      addEllipsis();
    labels.push_back(letter);
  }
  if (term.ellipsis == term.letters.size())
    addEllipsis();
  return labels;
}

/// Without "->": the ellipsis, then the letters that occur once, sorted.
static Term getImplicitOutput(const Equation &equation) {
  Term output;
  std::string all;
  for (const Term &term : equation.inputs) {
    all += term.letters;
    if (term.ellipsis)
      output.ellipsis = 0;
  }
  llvm::sort(all);
  for (char letter : all)
    if (llvm::count(all, letter) == 1)
      output.letters += letter;
  return output;
}

namespace {
/// The operands with their labels, and the output's.
struct Product {
  SmallVector<LabeledTensor> operands;
  Labels output;
  LabelSizes sizes;
};
} // namespace

static FailureOr<Product> getProduct(onnx::EinsumOp op, Lowering &lowering) {
  auto report = [&](const Twine &why) {
    return lowering.unsupported(op, "equation \"" + op.getEquation() +
                                        "\": " + why);
  };
  std::optional<Equation> equation = parseEquation(op.getEquation());
  if (!equation)
    return report("it does not parse");
  if (equation->inputs.size() != op.getInputs().size())
    return report("it has " + Twine(equation->inputs.size()) + " terms for " +
                  Twine(op.getInputs().size()) + " inputs");
  Product product;
  unsigned hiddenInOutput = 0;
  Labels known;
  for (auto [term, input] : llvm::zip(equation->inputs, op.getInputs())) {
    unsigned rank = lowering.rank(input), letters = term.letters.size();
    if (letters > rank || (letters < rank && !term.ellipsis))
      return report("the term \"" + term.letters +
                    "\" does not fit an input of rank " + Twine(rank));
    hiddenInOutput = std::max(hiddenInOutput, rank - letters);
    Labels labels = getLabels(term, rank - letters);
    for (auto [label, dim] : llvm::zip(labels, lowering.shape(input))) {
      known.push_back(label);
      AffineExpr &size = product.sizes[label];
      if (!size || lowering.isOne(size) ||
          (lowering.getFixed(dim) && !lowering.isOne(dim)))
        size = dim;
    }
    product.operands.push_back({lowering.get(input), labels});
  }
  Term output =
      equation->output ? *equation->output : getImplicitOutput(*equation);
  product.output = getLabels(output, hiddenInOutput);
  Labels sorted = product.output;
  llvm::sort(sorted);
  if (llvm::unique(sorted) != sorted.end())
    return report("the output has a letter twice");
  for (Label label : product.output)
    if (!llvm::is_contained(known, label))
      return report("no input has all the output's letters");
  ShapeRef shape = lowering.shape(op.getOutput());
  if (shape.size() != product.output.size())
    return report("the output's rank is " + Twine(shape.size()));
  for (auto [label, dim] : llvm::zip(product.output, shape))
    product.sizes[label] = dim;
  return product;
}

/// The labels of a·b that are needed later: the output's in their order, if
/// these are the last two operands; else the output's and then the others.
static Labels getIntermediateLabels(const Product &product,
                                    const LabeledTensor &a,
                                    const LabeledTensor &b,
                                    ArrayRef<LabeledTensor> rest) {
  if (rest.empty())
    return product.output;
  Labels result;
  auto isIn = [](Label label, ArrayRef<Label> labels) {
    return llvm::is_contained(labels, label);
  };
  for (Label label : product.output)
    if (isIn(label, a.labels) || isIn(label, b.labels))
      result.push_back(label);
  for (const LabeledTensor *operand : {&a, &b})
    for (Label label : operand->labels) {
      bool isLater = llvm::any_of(rest, [&](const LabeledTensor &other) {
        return isIn(label, other.labels);
      });
      if (isLater && !isIn(label, result))
        result.push_back(label);
    }
  return result;
}

static LogicalResult lowerEinsum(onnx::EinsumOp op, Lowering &lowering) {
  if (op.getInputs().empty())
    return lowering.unsupported(op, "it has no inputs");
  Type elementType = lowering.elementType(op.getOutput());
  bool isNumeric = isa<FloatType>(elementType) ||
                   (isa<IntegerType>(elementType) && !elementType.isInteger(1));
  for (Value input : op.getInputs())
    if (!isNumeric || lowering.elementType(input) != elementType)
      return lowering.unsupported(
          op, "the inputs are not numeric tensors of one element type",
          "insert a Cast");
  FailureOr<Product> product = getProduct(op, lowering);
  if (failed(product))
    return failure();
  ArrayRef<LabeledTensor> rest = product->operands;
  LabeledTensor current = rest.front();
  rest = rest.drop_front();
  if (rest.empty())
    current.tensor =
        contract(lowering, current, product->output, product->sizes);
  while (!rest.empty()) {
    LabeledTensor next = rest.front();
    rest = rest.drop_front();
    Labels labels = getIntermediateLabels(*product, current, next, rest);
    current = {contract(lowering, current, next, labels, product->sizes),
               labels};
  }
  lowering.set(op.getOutput(), lowering.cast(current.tensor, elementType));
  return success();
}

void hybrid::registerEinsum(Registry &registry) {
  registry.add<onnx::EinsumOp>(lowerEinsum);
}
