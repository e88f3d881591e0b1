//===- TilingTest.cpp - tiles together compute the whole ------------------===//
//
// Every tile is evaluated on the slices that tiling makes, and written where
// tiling says that its results go.
//
//===----------------------------------------------------------------------===//

#include "Program.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "gtest/gtest.h"

using namespace mlir;
using namespace hybrid;
using namespace hybrid::test;

namespace {
/// Tiles one operation of a program whose sizes and index values are constants.
class Tiler {
public:
  Tiler(TilingInterface op, std::vector<RefTensor> arguments)
      : op(op), builder(op) {
    Block *block = op->getBlock();
    for (auto [value, tensor] : llvm::zip(block->getArguments(), arguments))
      values[value] = tensor;
    for (OpOperand &init : cast<DestinationStyleOpInterface>(op.getOperation())
                               .getDpsInitsMutable())
      results.push_back(values[init.get()]);
  }

  /// The results of the tiles of `sizes` (0: no tile of that loop).
  std::vector<RefTensor> run(ArrayRef<int64_t> sizes) {
    SmallVector<Range> domain = op.getIterationDomain(builder);
    EXPECT_EQ(domain.size(), sizes.size());
    SmallVector<int64_t> offsets, tile;
    visit(domain, sizes, offsets, tile);
    return results;
  }

private:
  void visit(ArrayRef<Range> domain, ArrayRef<int64_t> sizes,
             SmallVector<int64_t> &offsets, SmallVector<int64_t> &tile) {
    size_t loop = offsets.size();
    if (loop == domain.size())
      return evaluateTile(offsets, tile);
    int64_t extent = *getConstantIntValue(domain[loop].size);
    int64_t step = sizes[loop] > 0 ? sizes[loop] : extent;
    for (int64_t offset = 0; offset < extent; offset += step) {
      offsets.push_back(offset);
      tile.push_back(std::min(step, extent - offset));
      visit(domain, sizes, offsets, tile);
      offsets.pop_back();
      tile.pop_back();
    }
  }

  void evaluateTile(ArrayRef<int64_t> offsets, ArrayRef<int64_t> sizes) {
    SmallVector<OpFoldResult> from = getAsIndexOpFoldResult(op.getContext(),
                                                            offsets),
                              count = getAsIndexOpFoldResult(op.getContext(),
                                                             sizes);
    FailureOr<TilingResult> tile =
        op.getTiledImplementation(builder, from, count);
    ASSERT_TRUE(succeeded(tile));
    for (Operation *slice : tile->generatedSlices)
      cut(cast<tensor::ExtractSliceOp>(slice));
    Operation *tiled = tile->tiledOps.front();
    std::vector<RefTensor> operands;
    SmallVector<int64_t> indices;
    for (Value value : tiled->getOperands()) {
      if (value.getType().isIndex())
        indices.push_back(number(value));
      else
        operands.push_back(values.at(value));
    }
    FailureOr<std::vector<RefTensor>> parts =
        evaluate(tiled, operands, indices);
    ASSERT_TRUE(succeeded(parts));
    for (auto [result, part] : llvm::enumerate(*parts)) {
      SmallVector<OpFoldResult> position, extent;
      ASSERT_TRUE(succeeded(op.getResultTilePosition(builder, result, from,
                                                     count, position, extent)));
      EXPECT_EQ(*getConstantIntValues(extent),
                SmallVector<int64_t>(part.shape));
      insert(results[result], part, numbers(position));
    }
  }

  void cut(tensor::ExtractSliceOp op) {
    values[op.getResult()] =
        slice(values.at(op.getSource()), numbers(op.getMixedOffsets()),
              *getConstantIntValues(op.getMixedSizes()));
  }

  /// The value of an index, which may depend on elements of the arguments.
  int64_t number(OpFoldResult index) const {
    if (std::optional<int64_t> constant = getConstantIntValue(index))
      return *constant;
    Operation *def = cast<Value>(index).getDefiningOp();
    if (auto extract = dyn_cast<tensor::ExtractOp>(def))
      return values.at(extract.getTensor())
          .at(numbers(getAsOpFoldResult(extract.getIndices())));
    if (auto apply = dyn_cast<affine::AffineApplyOp>(def)) {
      SmallVector<Attribute> operands, result;
      for (int64_t operand : numbers(getAsOpFoldResult(apply.getOperands())))
        operands.push_back(IntegerAttr::get(apply.getType(), operand));
      EXPECT_TRUE(
          succeeded(apply.getAffineMap().constantFold(operands, result)));
      return cast<IntegerAttr>(result[0]).getInt();
    }
    return number(OpFoldResult(cast<arith::IndexCastOp>(def).getIn()));
  }
  SmallVector<int64_t> numbers(ArrayRef<OpFoldResult> indices) const {
    return llvm::map_to_vector(
        indices, [&](OpFoldResult index) { return number(index); });
  }

  TilingInterface op;
  OpBuilder builder;
  std::map<Value, RefTensor, bool (*)(Value, Value)> values{
      [](Value a, Value b) {
        return a.getAsOpaquePointer() < b.getAsOpaquePointer();
      }};
  std::vector<RefTensor> results;
};
} // namespace

/// Checks that tiles of each of `tilings` compute what the program returns.
static void expectTiles(const std::string &text,
                        const std::vector<RefTensor> &arguments,
                        ArrayRef<SmallVector<int64_t>> tilings) {
  for (ArrayRef<int64_t> sizes : tilings) {
    Program program(text);
    std::vector<RefTensor> expected = program.run(arguments);
    std::vector<RefTensor> results =
        Tiler(program.find<TilingInterface>(), arguments).run(sizes);
    ASSERT_EQ(results.size(), expected.size());
    for (size_t i = 0; i < results.size(); ++i)
      expectNear(results[i], expected[i]);
  }
}

static RefTensor integers(llvm::ArrayRef<int64_t> shape,
                          std::vector<double> values) {
  RefTensor result(shape);
  result.data = std::move(values);
  return result;
}

TEST(TilingTest, Attention) {
  for (const char *last : {"", "lengths(%l : tensor<2xi64>) "})
    expectTiles(
        "(%q: tensor<2x4x5x3xf64>, %k: tensor<2x6x2x3xf64>, %v: "
        "tensor<2x6x2x2xf64>, %m: tensor<2x1x5x6xf64>, %s: tensor<4xf64>, %l: "
        "tensor<2xi64>, %o: tensor<2x4x5x2xf64>) -> tensor<2x4x5x2xf64> {\n"
        "%n = arith.constant 6 : index\n%p = arith.constant 1 : index\n"
        "%r = hybrid.attention ins(%q, %k, %v : tensor<2x4x5x3xf64>, "
        "tensor<2x6x2x3xf64>, tensor<2x6x2x2xf64>) mask(%m : "
        "tensor<2x1x5x6xf64>) sinks(%s : tensor<4xf64>) " +
            std::string(last) +
            "kv_length(%n) q_offset(%p) outs(%o : tensor<2x4x5x2xf64>) "
            "{causal, scale = 0.7 : f64, kv_layout = #hybrid.layout<bthd>} -> "
            "tensor<2x4x5x2xf64>\nreturn %r : tensor<2x4x5x2xf64> }",
        {random({2, 4, 5, 3}), random({2, 6, 2, 3}), random({2, 6, 2, 2}),
         random({2, 1, 5, 6}), random({4}), integers({2}, {6, 4}),
         random({2, 4, 5, 2})},
        {{0, 0, 0}, {1, 1, 2}, {0, 2, 3}, {2, 4, 1}, {1, 0, 5}});
}

TEST(TilingTest, Scan) {
  expectTiles(
      "(%q: tensor<2x3x2x3xf64>, %k: tensor<2x3x1x3xf64>, %v: "
      "tensor<2x3x4x5xf64>, %g: tensor<2x3x4x3xf64>, %b: tensor<2x3x1xf64>, "
      "%o: tensor<2x3x4x5xf64>, %s: tensor<2x4x3x5xf64>) -> "
      "(tensor<2x3x4x5xf64>, tensor<2x4x3x5xf64>) {\n"
      "%r:2 = hybrid.scan gated_delta ins(%q, %k, %v : tensor<2x3x2x3xf64>, "
      "tensor<2x3x1x3xf64>, tensor<2x3x4x5xf64>) decay(%g : "
      "tensor<2x3x4x3xf64>) beta(%b : tensor<2x3x1xf64>) outs(%o, %s : "
      "tensor<2x3x4x5xf64>, tensor<2x4x3x5xf64>) {scale = 0.5 : f64} -> "
      "tensor<2x3x4x5xf64>, tensor<2x4x3x5xf64>\n"
      "return %r#0, %r#1 : tensor<2x3x4x5xf64>, tensor<2x4x3x5xf64> }",
      {random({2, 3, 2, 3}), random({2, 3, 1, 3}), random({2, 3, 4, 5}),
       random({2, 3, 4, 3}), random({2, 3, 1}), random({2, 3, 4, 5}),
       random({2, 4, 3, 5})},
      {{0, 0, 0}, {1, 1, 2}, {0, 2, 5}, {2, 1, 4}});
}

TEST(TilingTest, ScanWithMoreQueries) {
  expectTiles(
      "(%q: tensor<2x3x4x3xf64>, %k: tensor<2x3x2x3xf64>, %v: "
      "tensor<2x3x2x5xf64>, %b: tensor<2x3x2xf64>, %o: tensor<2x3x4x5xf64>, "
      "%s: tensor<2x2x3x5xf64>) -> (tensor<2x3x4x5xf64>, tensor<2x2x3x5xf64>) "
      "{\n%r:2 = hybrid.scan delta ins(%q, %k, %v : tensor<2x3x4x3xf64>, "
      "tensor<2x3x2x3xf64>, tensor<2x3x2x5xf64>) beta(%b : tensor<2x3x2xf64>) "
      "outs(%o, %s : tensor<2x3x4x5xf64>, tensor<2x2x3x5xf64>) {scale = 0.5 : "
      "f64} -> tensor<2x3x4x5xf64>, tensor<2x2x3x5xf64>\n"
      "return %r#0, %r#1 : tensor<2x3x4x5xf64>, tensor<2x2x3x5xf64> }",
      {random({2, 3, 4, 3}), random({2, 3, 2, 3}), random({2, 3, 2, 5}),
       random({2, 3, 2}), random({2, 3, 4, 5}), random({2, 2, 3, 5})},
      {{0, 0, 0}, {1, 1, 2}, {0, 2, 3}});
}

TEST(TilingTest, CausalConv) {
  expectTiles(
      "(%x: tensor<2x5x3xf64>, %w: tensor<3x4xf64>, %b: tensor<3xf64>, %o: "
      "tensor<2x5x3xf64>, %s: tensor<2x3x3xf64>) -> (tensor<2x5x3xf64>, "
      "tensor<2x3x3xf64>) {\n"
      "%r:2 = hybrid.causal_conv ins(%x, %w : tensor<2x5x3xf64>, "
      "tensor<3x4xf64>) bias(%b : tensor<3xf64>) outs(%o, %s : "
      "tensor<2x5x3xf64>, tensor<2x3x3xf64>) {layout = "
      "#hybrid.conv_layout<btc>} -> tensor<2x5x3xf64>, tensor<2x3x3xf64>\n"
      "return %r#0, %r#1 : tensor<2x5x3xf64>, tensor<2x3x3xf64> }",
      {random({2, 5, 3}), random({3, 4}), random({3}), random({2, 5, 3}),
       random({2, 3, 3})},
      {{1, 2}, {0, 1}, {2, 0}});
}

TEST(TilingTest, Rope) {
  expectTiles(
      "(%x: tensor<2x4x3x6xf64>, %c: tensor<9x3xf64>, %s: tensor<9x3xf64>, "
      "%p: tensor<1x4xi64>, %o: tensor<2x4x3x6xf64>) -> tensor<2x4x3x6xf64> "
      "{\n%r = hybrid.rope ins(%x, %c, %s : tensor<2x4x3x6xf64>, "
      "tensor<9x3xf64>, tensor<9x3xf64>) positions(%p : tensor<1x4xi64>) "
      "outs(%o : tensor<2x4x3x6xf64>) {rotary_dim = 4 : i64, layout = "
      "#hybrid.layout<bthd>} -> tensor<2x4x3x6xf64>\n"
      "return %r : tensor<2x4x3x6xf64> }",
      {random({2, 4, 3, 6}), random({9, 3}), random({9, 3}),
       integers({1, 4}, {8, 0, 3, 3}), random({2, 4, 3, 6})},
      {{1, 2, 3}, {0, 1, 1}});
  expectTiles(
      "(%x: tensor<2x3x4x6xf64>, %c: tensor<2x4x3xf64>, %s: "
      "tensor<2x4x3xf64>, %o: tensor<2x3x4x6xf64>) -> tensor<2x3x4x6xf64> {\n"
      "%r = hybrid.rope ins(%x, %c, %s : tensor<2x3x4x6xf64>, "
      "tensor<2x4x3xf64>, tensor<2x4x3xf64>) outs(%o : tensor<2x3x4x6xf64>) "
      "{rotary_dim = 6 : i64, interleaved} -> tensor<2x3x4x6xf64>\n"
      "return %r : tensor<2x3x4x6xf64> }",
      {random({2, 3, 4, 6}), random({2, 4, 3}), random({2, 4, 3}),
       random({2, 3, 4, 6})},
      {{1, 2, 3}, {0, 1, 1}});
}

TEST(TilingTest, Norms) {
  expectTiles(
      "(%x: tensor<2x3x4xf64>, %w: tensor<3x1xf64>, %b: tensor<4xf64>, %o: "
      "tensor<2x3x4xf64>) -> tensor<2x3x4xf64> {\n"
      "%r = hybrid.norm layer ins(%x : tensor<2x3x4xf64>) scale(%w : "
      "tensor<3x1xf64>) bias(%b : tensor<4xf64>) outs(%o : tensor<2x3x4xf64>) "
      "{axis = 2 : i64, epsilon = 0.1 : f64, group_size = 2 : i64} -> "
      "tensor<2x3x4xf64>\nreturn %r : tensor<2x3x4xf64> }",
      {random({2, 3, 4}), random({3, 1}), random({4}), random({2, 3, 4})},
      {{1, 2}, {0, 1}});
  expectTiles(
      "(%x: tensor<2x3x4xf64>, %z: tensor<2x3x4xf64>, %w: tensor<4xf64>, %o: "
      "tensor<2x3x4xf64>) -> tensor<2x3x4xf64> {\n"
      "%r = hybrid.gated_norm gate_first ins(%x, %z : tensor<2x3x4xf64>, "
      "tensor<2x3x4xf64>) scale(%w : tensor<4xf64>) outs(%o : "
      "tensor<2x3x4xf64>) {activation = #hybrid.activation<silu>, epsilon = "
      "0.1 : f64} -> tensor<2x3x4xf64>\nreturn %r : tensor<2x3x4xf64> }",
      {random({2, 3, 4}), random({2, 3, 4}), random({4}), random({2, 3, 4})},
      {{1, 2}, {0, 1}});
}

TEST(TilingTest, CacheAppend) {
  expectTiles(
      "(%x: tensor<2x3x2x4xf64>, %c: tensor<2x2x7x4xf64>) -> "
      "tensor<2x2x7x4xf64> {\n%p = arith.constant 3 : index\n"
      "%r = hybrid.cache_append ins(%x : tensor<2x3x2x4xf64>) at(%p) outs(%c : "
      "tensor<2x2x7x4xf64>) {layout = #hybrid.layout<bthd>} -> "
      "tensor<2x2x7x4xf64>\nreturn %r : tensor<2x2x7x4xf64> }",
      {random({2, 3, 2, 4}), random({2, 2, 7, 4})},
      {{1, 1, 2}, {0, 0, 1}, {1, 0, 0}});
}

TEST(TilingTest, CacheAppendAtPositions) {
  RefTensor positions = generate(
      {2}, [](llvm::ArrayRef<int64_t> at) { return at[0] ? 4.0 : 1.0; });
  expectTiles(
      "(%x: tensor<2x3x2x4xf64>, %q: tensor<2xi64>, %c: tensor<2x2x9x4xf64>) "
      "-> tensor<2x2x9x4xf64> {\n%p = arith.constant 2 : index\n"
      "%r = hybrid.cache_append ins(%x : tensor<2x3x2x4xf64>) at(%p) "
      "positions(%q : tensor<2xi64>) outs(%c : tensor<2x2x9x4xf64>) "
      "{layout = #hybrid.layout<bthd>} -> tensor<2x2x9x4xf64>\n"
      "return %r : tensor<2x2x9x4xf64> }",
      {random({2, 3, 2, 4}), positions, random({2, 2, 9, 4})},
      {{1, 1, 2}, {1, 0, 1}, {0, 1, 0}, {1, 0, 0}});
}

TEST(TilingTest, Route) {
  expectTiles("(%l: tensor<5x4xf64>, %b: tensor<4xf64>, %e: tensor<5x2xi64>, "
              "%w: tensor<5x2xf64>) -> (tensor<5x2xi64>, tensor<5x2xf64>) {\n"
              "%r:2 = hybrid.route softmax ins(%l : tensor<5x4xf64>) bias(%b : "
              "tensor<4xf64>) outs(%e, %w : tensor<5x2xi64>, tensor<5x2xf64>) "
              "-> tensor<5x2xi64>, tensor<5x2xf64>\n"
              "return %r#0, %r#1 : tensor<5x2xi64>, tensor<5x2xf64> }",
              {random({5, 4}), random({4}), random({5, 2}), random({5, 2})},
              {{1}, {2}});
}

TEST(TilingTest, ExpertMatMul) {
  RefTensor experts = generate(
      {4}, [](llvm::ArrayRef<int64_t> at) { return double(at[0] * 2 % 3); });
  for (const char *weight : {"3x6x5", "3x5x6"}) {
    bool isTransposed = weight[2] == '5';
    std::string type = std::string("tensor<") + weight + "xf64>";
    expectTiles("(%x: tensor<2x5xf64>, %w: " + type +
                    ", %e: tensor<4xi64>, %o: tensor<4x6xf64>) -> "
                    "tensor<4x6xf64> {\n%r = hybrid.expert_matmul ins(%x, %w : "
                    "tensor<2x5xf64>, " +
                    type +
                    ") experts(%e : tensor<4xi64>) outs(%o : tensor<4x6xf64>) "
                    "{chosen = 2 : i64" +
                    (isTransposed ? ", transposed" : "") +
                    "} -> tensor<4x6xf64>\nreturn %r : tensor<4x6xf64> }",
                {random({2, 5}),
                 isTransposed ? random({3, 5, 6}) : random({3, 6, 5}), experts,
                 random({4, 6})},
                {{1}, {2}, {4}});
  }
}

TEST(TilingTest, CumSum) {
  expectTiles("(%x: tensor<2x3x4xf64>, %o: tensor<2x3x4xf64>) -> "
              "tensor<2x3x4xf64> {\n"
              "%r = hybrid.cumsum ins(%x : tensor<2x3x4xf64>) outs(%o : "
              "tensor<2x3x4xf64>) {axis = 1 : i64} -> tensor<2x3x4xf64>\n"
              "return %r : tensor<2x3x4xf64> }",
              {random({2, 3, 4}), random({2, 3, 4})}, {{1, 3}, {0, 1}});
}
