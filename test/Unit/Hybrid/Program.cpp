//===- Program.cpp - one operation from text, and tensors for it ----------===//

#include "Program.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/ErrorHandling.h"
#include "gtest/gtest.h"
#include <random>

using namespace mlir;
using namespace hybrid;
using namespace hybrid::test;

Program::Program(const std::string &text) {
  context.loadDialect<HybridDialect, func::FuncDialect, arith::ArithDialect,
                      tensor::TensorDialect>();
  module = parseSourceString<ModuleOp>("func.func @f" + text, &context);
  if (!module)
    llvm::report_fatal_error("the test's program does not parse");
  context.getDiagEngine().registerHandler(
      [this](Diagnostic &diagnostic) { message = diagnostic.str(); });
}

func::FuncOp Program::getFunction() {
  return *module->getOps<func::FuncOp>().begin();
}

std::vector<RefTensor> Program::run(std::vector<RefTensor> arguments) {
  FailureOr<std::vector<RefTensor>> results =
      evaluateFunction(getFunction(), arguments);
  if (failed(results))
    llvm::report_fatal_error(llvm::StringRef(message));
  return *results;
}

std::string Program::error(std::vector<RefTensor> arguments) {
  message.clear();
  if (succeeded(evaluateFunction(getFunction(), arguments)))
    return "";
  return message;
}

RefTensor hybrid::test::random(ArrayRef<int64_t> shape) {
  static std::mt19937 generator(1);
  std::uniform_real_distribution<double> distribution(-1, 1);
  RefTensor result(shape);
  for (double &value : result.data)
    value = distribution(generator);
  return result;
}

RefTensor hybrid::test::filled(ArrayRef<int64_t> shape, double value) {
  return RefTensor(shape, value);
}

/// Moves `index` on by one; false after the last one.
static bool next(MutableArrayRef<int64_t> index, ArrayRef<int64_t> shape) {
  for (size_t dim = index.size(); dim-- > 0;) {
    if (++index[dim] < shape[dim])
      return true;
    index[dim] = 0;
  }
  return false;
}

RefTensor
hybrid::test::generate(ArrayRef<int64_t> shape,
                       const std::function<double(ArrayRef<int64_t>)> &value) {
  RefTensor result(shape);
  SmallVector<int64_t> index(shape.size(), 0);
  if (!result.data.empty())
    do
      result.at(index) = value(index);
    while (next(index, shape));
  return result;
}

static SmallVector<int64_t> add(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  SmallVector<int64_t> sum(a);
  for (auto [value, other] : llvm::zip(sum, b))
    value += other;
  return sum;
}

RefTensor hybrid::test::slice(const RefTensor &tensor,
                              ArrayRef<int64_t> offsets,
                              ArrayRef<int64_t> sizes) {
  return generate(sizes, [&](ArrayRef<int64_t> index) {
    return tensor.at(add(index, offsets));
  });
}

void hybrid::test::insert(RefTensor &tensor, const RefTensor &part,
                          ArrayRef<int64_t> offsets) {
  generate(part.shape, [&](ArrayRef<int64_t> index) {
    return tensor.at(add(index, offsets)) = part.at(index);
  });
}

RefTensor hybrid::test::transpose(const RefTensor &tensor,
                                  ArrayRef<unsigned> order) {
  SmallVector<int64_t> shape;
  for (unsigned dim : order)
    shape.push_back(tensor.shape[dim]);
  return generate(shape, [&](ArrayRef<int64_t> index) {
    SmallVector<int64_t> from(index.size());
    for (auto [dim, position] : llvm::zip(order, index))
      from[dim] = position;
    return tensor.at(from);
  });
}

void hybrid::test::expectNear(const RefTensor &actual,
                              const RefTensor &expected) {
  ASSERT_EQ(ArrayRef<int64_t>(actual.shape), ArrayRef<int64_t>(expected.shape));
  double largest = 0;
  for (double value : expected.data)
    largest = std::max(largest, std::abs(value));
  for (size_t i = 0; i < expected.data.size(); ++i)
    ASSERT_NEAR(actual.data[i], expected.data[i], 1e-12 * (1 + largest))
        << "element " << i;
}
