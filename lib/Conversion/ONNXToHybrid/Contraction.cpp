//===- Contraction.cpp - Sums of products of two tensors ------------------===//

#include "Contraction.h"
#include "Scalars.h"

using namespace mlir;
using namespace hybrid;

static bool has(ArrayRef<Label> labels, Label label) {
  return llvm::is_contained(labels, label);
}

/// Keeps one dimension of every label: x[i, i] becomes x[i].
static void takeDiagonals(Lowering &lowering, LabeledTensor &operand) {
  Labels unique;
  Shape shape;
  for (auto [label, dim] : llvm::zip(operand.labels, operand.tensor.shape)) {
    if (has(unique, label))
      continue;
    unique.push_back(label);
    shape.push_back(dim);
  }
  if (unique.size() == operand.labels.size())
    return;
  // Null where the loop cannot leave the tensor.
  SmallVector<Value> extents;
  SmallVector<unsigned> loops;
  for (auto [label, dim] : llvm::zip(operand.labels, operand.tensor.shape)) {
    loops.push_back(llvm::find(unique, label) - unique.begin());
    bool isSafe = lowering.isEqual(dim, shape[loops.back()]);
    extents.push_back(isSafe ? Value() : lowering.index(dim));
  }
  Value source = operand.tensor.value;
  operand.tensor = lowering.elementwise(
      {}, shape, operand.tensor.getElementType(),
      [&](OpBuilder &b, Location loc, ValueRange) {
        Scalars s{b, loc};
        SmallVector<Value> position;
        for (auto [loop, extent] : llvm::zip(loops, extents)) {
          Value here = s.loopIndex(loop);
          position.push_back(extent ? s.clampIndex(here, extent) : here);
        }
        return s.extract(source, position);
      });
  operand.labels = unique;
}

/// Makes every dimension have its label's size, or drops it.
static void fitToSizes(Lowering &lowering, LabeledTensor &operand,
                       const LabelSizes &sizes) {
  Shape fitting, kept;
  Labels labels;
  for (auto [label, dim] : llvm::zip(operand.labels, operand.tensor.shape)) {
    AffineExpr size = sizes.lookup(label);
    bool same = lowering.isEqual(dim, size);
    bool isUnit = !same && lowering.isOne(dim);
    fitting.push_back(isUnit ? dim : size);
    if (isUnit)
      continue;
    kept.push_back(size);
    labels.push_back(label);
  }
  operand.tensor = lowering.broadcast(operand.tensor, fitting);
  operand.tensor = lowering.reshape(operand.tensor, kept);
  operand.labels = labels;
}

/// Whether both labels are absent, or neighbours in this order.
static bool keepsTogether(ArrayRef<Label> labels, Label first, Label second) {
  const Label *it = llvm::find(labels, first);
  if (it == labels.end())
    return !has(labels, second);
  return it + 1 != labels.end() && *(it + 1) == second;
}

static void mergeInto(Lowering &lowering, LabeledTensor &operand, Label first) {
  Label *it = llvm::find(operand.labels, first);
  if (it == operand.labels.end())
    return;
  unsigned dim = it - operand.labels.begin();
  operand.labels.erase(it + 1);
  Shape shape = operand.tensor.shape;
  shape[dim] = lowering.product({shape[dim], shape[dim + 1]});
  shape.erase(shape.begin() + dim + 1);
  operand.tensor = lowering.reshape(operand.tensor, shape);
}

/// Merges neighbouring dimensions as far as possible.
static void mergeNeighbours(Lowering &lowering, LabeledTensor &a,
                            LabeledTensor &b, Labels &output,
                            LabelSizes &sizes) {
  auto merge = [&](Label first, Label second) {
    mergeInto(lowering, a, first);
    mergeInto(lowering, b, first);
    if (Label *it = llvm::find(output, first); it != output.end())
      output.erase(it + 1);
    sizes[first] = lowering.product({sizes[first], sizes[second]});
  };
  auto mergeOne = [&](ArrayRef<Label> labels) {
    for (auto [first, second] : llvm::zip(labels, labels.drop_front())) {
      // Batch dimensions, which all three have, stay apart.
      if (has(a.labels, first) && has(b.labels, first) && has(output, first))
        continue;
      if (!keepsTogether(a.labels, first, second) ||
          !keepsTogether(b.labels, first, second) ||
          !keepsTogether(output, first, second))
        continue;
      merge(first, second);
      return true;
    }
    return false;
  };
  auto mergeAll = [&](const Labels &labels) {
    while (labels.size() > 1 && mergeOne(Labels(labels))) {
    }
  };
  mergeAll(a.labels);
  mergeAll(b.labels);
}

namespace {
/// The loops of a contraction: the output's, then the summed ones.
struct Loops {
  Labels labels;
  SmallVector<utils::IteratorType> iterators;

  Loops(ArrayRef<Label> output, ArrayRef<LabeledTensor> operands)
      : labels(output.begin(), output.end()),
        iterators(output.size(), utils::IteratorType::parallel) {
    for (const LabeledTensor &operand : operands)
      for (Label label : operand.labels) {
        if (has(labels, label))
          continue;
        labels.push_back(label);
        iterators.push_back(utils::IteratorType::reduction);
      }
  }

  AffineMap getMap(MLIRContext *context, ArrayRef<Label> dims) const {
    SmallVector<AffineExpr> results;
    for (Label label : dims)
      results.push_back(getAffineDimExpr(
          llvm::find(labels, label) - labels.begin(), context));
    return AffineMap::get(labels.size(), 0, results, context);
  }
};
} // namespace

static Shape getShape(ArrayRef<Label> labels, const LabelSizes &sizes) {
  Shape shape;
  for (Label label : labels)
    shape.push_back(sizes.lookup(label));
  return shape;
}

/// One loop: the sum, in `accumulator`, of the operands' product.
static Tensor multiply(Lowering &lowering, ArrayRef<LabeledTensor> operands,
                       ArrayRef<Label> output, const LabelSizes &sizes,
                       Type accumulator) {
  Loops loops(output, operands);
  MLIRContext *context = lowering.b.getContext();
  SmallVector<Tensor> inputs;
  SmallVector<AffineMap> maps;
  for (const LabeledTensor &operand : operands) {
    inputs.push_back(operand.tensor);
    maps.push_back(loops.getMap(context, operand.labels));
  }
  maps.push_back(loops.getMap(context, output));
  Shape shape = getShape(output, sizes);
  bool isSum = loops.labels.size() > output.size();
  Tensor destination = isSum ? lowering.zeros(shape, accumulator)
                             : lowering.empty(shape, accumulator);
  auto body = [&](OpBuilder &b, Location loc, ValueRange args) {
    Scalars s{b, loc};
    Value product = s.convert(args[0], accumulator);
    for (Value factor : args.drop_front().drop_back())
      product = s.mul(product, s.convert(factor, accumulator));
    return isSum ? s.add(args.back(), product) : product;
  };
  return lowering.generic(inputs, destination, maps, loops.iterators, body);
}

Tensor hybrid::contract(Lowering &lowering, LabeledTensor a, LabeledTensor b,
                        ArrayRef<Label> output, const LabelSizes &sizes,
                        Type resultType) {
  for (LabeledTensor *operand : {&a, &b}) {
    takeDiagonals(lowering, *operand);
    fitToSizes(lowering, *operand, sizes);
  }
  Labels merged(output.begin(), output.end());
  LabelSizes mergedSizes = sizes;
  mergeNeighbours(lowering, a, b, merged, mergedSizes);
  Type accumulator = getComputeType(a.tensor.getElementType());
  Tensor result = multiply(lowering, {a, b}, merged, mergedSizes, accumulator);
  // Before the reshape, next to the product.
  if (resultType)
    result = lowering.cast(result, resultType);
  return lowering.reshape(result, getShape(output, sizes));
}

Tensor hybrid::contract(Lowering &lowering, LabeledTensor a,
                        ArrayRef<Label> output, const LabelSizes &sizes) {
  takeDiagonals(lowering, a);
  fitToSizes(lowering, a, sizes);
  if (ArrayRef<Label>(a.labels) == output)
    return a.tensor;
  Type type = a.tensor.getElementType();
  bool isSum =
      llvm::any_of(a.labels, [&](Label label) { return !has(output, label); });
  return multiply(lowering, {a}, output, sizes,
                  isSum ? getComputeType(type) : type);
}
