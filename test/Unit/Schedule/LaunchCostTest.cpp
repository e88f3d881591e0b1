//===- LaunchCostTest.cpp - costs that can be counted by hand -------------===//

#include "Module.h"

#include "gtest/gtest.h"

using namespace mlir;
using namespace hybrid;
using namespace hybrid::test;

using Shape = ShapeEvaluator::Shape;

TEST(ShapeEvaluatorTest, IndexArithmeticAndViewsFold) {
  Module module(R"(
    func.func @main(%x: tensor<?x?x6xf32>, %i: tensor<1xindex>) {
      %b = hybrid.dim "batch"
      %s = hybrid.dim "seq"
      %c2 = arith.constant 2 : index
      %half = arith.ceildivui %s, %c2 : index
      %all = affine.apply affine_map<()[s0, s1] -> (s0 * s1)>()[%b, %s]
      %wide = arith.index_cast %half : index to i64
      %least = affine.min affine_map<()[s0] -> (s0, 4)>()[%s]
      %none = hybrid.dim "unknown"
      %e = tensor.empty(%all, %half) : tensor<?x?xf32>
      %f = tensor.expand_shape %x [[0], [1], [2, 3]] output_shape [%b, %s, 2, 3] : tensor<?x?x6xf32> into tensor<?x?x2x3xf32>
      %g = tensor.collapse_shape %x [[0, 1], [2]] : tensor<?x?x6xf32> into tensor<?x6xf32>
      %h = tensor.extract_slice %x[0, 0, 1] [1, %half, 2] [1, 1, 1] : tensor<?x?x6xf32> to tensor<?x2xf32>
      %c1 = arith.constant 1 : index
      %d = tensor.dim %x, %c1 : tensor<?x?x6xf32>
      %u = tensor.empty(%none) : tensor<?xf32>
      return
    })");
  llvm::StringMap<int64_t> symbols = {{"batch", 3}, {"seq", 7}};
  ShapeEvaluator evaluator(symbols, 3);
  func::FuncOp main = module.getFunction("main");
  evaluator.setShape(main.getArgument(0), {3, 7, 6});
  std::vector<std::optional<int64_t>> numbers;
  std::vector<std::optional<Shape>> shapes;
  for (Operation &op : main.getBody().front().without_terminator()) {
    if (isa<ShapedType>(op.getResult(0).getType()))
      shapes.push_back(evaluator.getShape(op.getResult(0)));
    else
      numbers.push_back(evaluator.getIndex(op.getResult(0)));
  }
  using Numbers = std::vector<std::optional<int64_t>>;
  EXPECT_EQ(numbers, (Numbers{3, 7, 2, 4, 21, 4, 4, std::nullopt, 1, 7}));
  using Shapes = std::vector<std::optional<Shape>>;
  EXPECT_EQ(shapes, (Shapes{Shape{21, 4}, Shape{3, 7, 2, 3}, Shape{21, 6},
                            Shape{4, 2}, std::nullopt}));
}

/// main launches @k on a weight and activations of 5 rows.
static std::string launchOnRows(const std::string &kernel) {
  return R"(
    #a = affine_map<(m, n, k) -> (m, k)>
    #b = affine_map<(m, n, k) -> (k, n)>
    #c = affine_map<(m, n, k) -> (m, n)>
    #id = affine_map<(m, n) -> (m, n)>
    #col = affine_map<(m, n) -> (n)>
    func.func @main() {
      %n = hybrid.dim "seq"
      %x = tensor.empty(%n) : tensor<?x8xf32>
      %o = tensor.empty(%n) : tensor<?x16xf32>
      %w = hybrid.weight "w" from "m.onnx"[0, 256] : tensor<8x16xbf16>
      %r = hybrid.launch @k ins(%x, %w : tensor<?x8xf32>, tensor<8x16xbf16>) outs(%o : tensor<?x16xf32>) -> tensor<?x16xf32>
      return
    }
    func.func private @k(%x: tensor<?x8xf32>, %w: tensor<8x16xbf16>, %o: tensor<?x16xf32> {hybrid.writeonly}) -> tensor<?x16xf32> attributes {hybrid.kernel} {
      %z = arith.constant 0.0 : f32)" +
         kernel + "}";
}

static const char *const product = R"(
      %f = linalg.fill ins(%z : f32) outs(%o : tensor<?x16xf32>) -> tensor<?x16xf32>
      %p = linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]} ins(%x, %w : tensor<?x8xf32>, tensor<8x16xbf16>) outs(%f : tensor<?x16xf32>) {
      ^bb0(%i: f32, %j: bf16, %acc: f32):
        %e = arith.extf %j : bf16 to f32
        %m = arith.mulf %i, %e : f32
        %s = arith.addf %acc, %m : f32
        linalg.yield %s : f32
      } -> tensor<?x16xf32>
)";

TEST(LaunchCostTest, AProductReadsItsOperandsOnce) {
  Module module(
      launchOnRows(std::string(product) + "return %p : tensor<?x16xf32>"));
  std::optional<LaunchCost> cost = module.getCost({{"seq", 5}});
  ASSERT_TRUE(cost);
  EXPECT_EQ(cost->flops, 2 * 5 * 8 * 16);
  EXPECT_EQ(cost->matrixFlops, cost->flops);
  EXPECT_EQ(cost->matrixBits, 16u);
  EXPECT_EQ(cost->exps, 0);
  EXPECT_EQ(cost->weightBytes, 8 * 16 * 2);
  EXPECT_EQ(cost->bytesRead, 8 * 16 * 2 + 5 * 8 * 4);
  EXPECT_EQ(cost->bytesWritten, 5 * 16 * 4);
  EXPECT_EQ(cost->stateBytes, 0);
  EXPECT_FALSE(module.getCost()) << "without a value for seq";
}

TEST(LaunchCostTest, WhatAKernelKeepsCountsNoBytes) {
  // softplus behind the product: only its result leaves the kernel.
  Module module(launchOnRows(std::string(product) + R"(
      %q = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%p : tensor<?x16xf32>) outs(%o : tensor<?x16xf32>) {
      ^bb0(%i: f32, %out: f32):
        %a = math.absf %i : f32
        %n = arith.negf %a : f32
        %e = math.exp %n : f32
        %l = math.log1p %e : f32
        %m = arith.maximumf %i, %z : f32
        %s = arith.addf %m, %l : f32
        linalg.yield %s : f32
      } -> tensor<?x16xf32>
      return %q : tensor<?x16xf32>)"));
  std::optional<LaunchCost> cost = module.getCost({{"seq", 5}});
  ASSERT_TRUE(cost);
  EXPECT_EQ(cost->flops, 2 * 5 * 8 * 16 + 2 * 5 * 16);
  EXPECT_EQ(cost->matrixFlops, 2 * 5 * 8 * 16);
  EXPECT_EQ(cost->exps, 2 * 5 * 16);
  EXPECT_EQ(cost->bytesRead, 8 * 16 * 2 + 5 * 8 * 4);
  EXPECT_EQ(cost->bytesWritten, 5 * 16 * 4);
}

TEST(LaunchCostTest, ANormInFrontCountsItsOperandsOnly) {
  Module module(launchOnRows(std::string(R"(
      %n = hybrid.norm rms ins(%x : tensor<?x8xf32>) outs(%x : tensor<?x8xf32>) {axis = 1 : i64, epsilon = 1.0e-6 : f64} -> tensor<?x8xf32>
      %f = linalg.fill ins(%z : f32) outs(%o : tensor<?x16xf32>) -> tensor<?x16xf32>
      %p = linalg.generic {indexing_maps = [#a, #b, #c], iterator_types = ["parallel", "parallel", "reduction"]} ins(%n, %w : tensor<?x8xf32>, tensor<8x16xbf16>) outs(%f : tensor<?x16xf32>) {
      ^bb0(%i: f32, %j: bf16, %acc: f32):
        %e = arith.extf %j : bf16 to f32
        %m = arith.mulf %i, %e : f32
        %s = arith.addf %acc, %m : f32
        linalg.yield %s : f32
      } -> tensor<?x16xf32>
      return %p : tensor<?x16xf32>)")));
  std::optional<LaunchCost> cost = module.getCost({{"seq", 5}});
  ASSERT_TRUE(cost);
  EXPECT_EQ(cost->flops, 2 * 5 * 8 * 16 + 3 * 5 * 8);
  EXPECT_EQ(cost->matrixFlops, 2 * 5 * 8 * 16);
  EXPECT_EQ(cost->bytesRead, 8 * 16 * 2 + 5 * 8 * 4);
  EXPECT_EQ(cost->bytesWritten, 5 * 16 * 4);
}

TEST(LaunchCostTest, AGatherReadsTheRowsThatItTakes) {
  Module module(R"(
    func.func @main(%i: tensor<3xi64>) {
      %o = tensor.empty() : tensor<3x64xf32>
      %w = hybrid.weight "embed" from "m.onnx"[0, 32768] : tensor<128x64xf32>
      %r = hybrid.launch @k ins(%i, %w : tensor<3xi64>, tensor<128x64xf32>) outs(%o : tensor<3x64xf32>) -> tensor<3x64xf32>
      return
    }
    func.func private @k(%i: tensor<3xi64>, %w: tensor<128x64xf32>, %o: tensor<3x64xf32> {hybrid.writeonly}) -> tensor<3x64xf32> attributes {hybrid.kernel} {
      %r = linalg.generic {indexing_maps = [affine_map<(m, n) -> (m)>, affine_map<(m, n) -> (m, n)>], iterator_types = ["parallel", "parallel"]} ins(%i : tensor<3xi64>) outs(%o : tensor<3x64xf32>) {
      ^bb0(%in: i64, %out: f32):
        %row = arith.index_cast %in : i64 to index
        %col = linalg.index 1 : index
        %v = tensor.extract %w[%row, %col] : tensor<128x64xf32>
        linalg.yield %v : f32
      } -> tensor<3x64xf32>
      return %r : tensor<3x64xf32>
    })");
  std::optional<LaunchCost> cost = module.getCost();
  ASSERT_TRUE(cost);
  EXPECT_EQ(cost->flops, 0);
  EXPECT_EQ(cost->weightBytes, 3 * 64 * 4);
  EXPECT_EQ(cost->bytesRead, 3 * 64 * 4 + 3 * 8);
}

TEST(LaunchCostTest, KeysOfAStateAreReadAsFarAsTheyAreVisible) {
  Module module(R"(
    hybrid.state @k kv present "pk" length_axis 2 : tensor<?x1x16x4xf32>
    func.func @main(%q: tensor<2x1x1x4xf32>) {
      %past = hybrid.dim "past"
      %n = affine.apply affine_map<()[s0] -> (s0 + 1)>()[%past]
      %s = hybrid.read_state @k : tensor<?x1x16x4xf32>
      %o = tensor.empty() : tensor<2x1x1x4xf32>
      %r = hybrid.launch @a ins(%q, %s : tensor<2x1x1x4xf32>, tensor<?x1x16x4xf32>) outs(%o : tensor<2x1x1x4xf32>) sizes(%n, %past) -> tensor<2x1x1x4xf32>
      return
    }
    func.func private @a(%q: tensor<2x1x1x4xf32>, %k: tensor<?x1x16x4xf32>, %o: tensor<2x1x1x4xf32> {hybrid.writeonly}, %n: index, %past: index) -> tensor<2x1x1x4xf32> attributes {hybrid.kernel} {
      %r = hybrid.attention ins(%q, %k, %k : tensor<2x1x1x4xf32>, tensor<?x1x16x4xf32>, tensor<?x1x16x4xf32>) kv_length(%n) q_offset(%past) outs(%o : tensor<2x1x1x4xf32>) {causal, scale = 1.0 : f64} -> tensor<2x1x1x4xf32>
      return %r : tensor<2x1x1x4xf32>
    })");
  std::optional<LaunchCost> cost = module.getCost({{"past", 9}}, 2);
  ASSERT_TRUE(cost);
  EXPECT_EQ(cost->exps, 2 * 10);
  EXPECT_EQ(cost->stateBytes, 2 * 2 * 10 * 4 * 4);
  EXPECT_EQ(cost->bytesRead, cost->stateBytes + 2 * 4 * 4);
  EXPECT_EQ(cost->matrixFlops, cost->flops);
}
