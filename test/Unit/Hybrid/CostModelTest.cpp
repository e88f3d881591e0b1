//===- CostModelTest.cpp - costs that can be counted by hand --------------===//

#include "Program.h"

#include "gtest/gtest.h"

using namespace hybrid;
using namespace hybrid::test;

using Shapes = llvm::SmallVector<llvm::SmallVector<int64_t>>;

static Cost getCost(const std::string &text, Shapes shapes,
                    llvm::ArrayRef<int64_t> lengths = {}) {
  Program program(text);
  return program.find<CostModelInterface>().getCost(shapes, lengths);
}

static std::string attention(const std::string &attributes) {
  return "(%q: tensor<2x4x?x8xf32>, %k: tensor<2x2x64x8xbf16>, %o: "
         "tensor<2x4x?x8xf32>, %n: index) {\n"
         "%r = hybrid.attention ins(%q, %k, %k : tensor<2x4x?x8xf32>, "
         "tensor<2x2x64x8xbf16>, tensor<2x2x64x8xbf16>) kv_length(%n) "
         "q_offset(%n) outs(%o : tensor<2x4x?x8xf32>) {scale = 1.0 : f64" +
         attributes + "} -> tensor<2x4x?x8xf32>\nreturn }";
}

TEST(CostModelTest, AttentionCountsWhatIsVisible) {
  Shapes shapes = {{2, 4, 3, 8}, {2, 2, 64, 8}, {2, 2, 64, 8}, {2, 4, 3, 8}};
  // 3 queries see 5, 6 and 7 of 7 keys: 18 pairs for each of 8 heads.
  Cost cost = getCost(attention(", causal"), shapes, {7, 4});
  EXPECT_EQ(cost.exps, 8 * 18);
  EXPECT_EQ(cost.flops, 8 * 18 * (16 + 3 + 16) + 8 * 3 * 8);
  EXPECT_EQ(cost.bytesRead, 2 * 4 * 3 * 8 * 4 + 2 * (2 * 2 * 7 * 8 * 2));
  EXPECT_EQ(cost.bytesWritten, 2 * 4 * 3 * 8 * 4);
  EXPECT_EQ(cost.stateBytes, 0);
  // A window of 2 back: 3 keys each, 5 different ones, and the first as sink.
  cost = getCost(
      attention(", causal, window_left = 2 : i64, sink_prefix = 1 : i64"),
      shapes, {7, 4});
  EXPECT_EQ(cost.exps, 8 * 12);
  EXPECT_EQ(cost.bytesRead, 2 * 4 * 3 * 8 * 4 + 2 * (2 * 2 * 6 * 8 * 2));
}

TEST(CostModelTest, KeysFromAStateAreStateBytes) {
  Program program(
      "(%q: tensor<1x1x1x4xf32>, %v: tensor<1x1x16x4xf32>, %n: index) {\n"
      "%s = hybrid.read_state @s : tensor<1x1x16x4xf32>\n"
      "%c = hybrid.cache_append ins(%q : tensor<1x1x1x4xf32>) at(%n) outs(%s "
      ": tensor<1x1x16x4xf32>) -> tensor<1x1x16x4xf32>\n"
      "%r = hybrid.attention ins(%q, %c, %v : tensor<1x1x1x4xf32>, "
      "tensor<1x1x16x4xf32>, tensor<1x1x16x4xf32>) kv_length(%n) q_offset(%n) "
      "outs(%q : tensor<1x1x1x4xf32>) {scale = 1.0 : f64} -> "
      "tensor<1x1x1x4xf32>\nreturn }\n"
      "hybrid.state @s kv present \"p\" length_axis 2 : tensor<?x1x16x4xf32>");
  Cost cost = program.find<AttentionOp>().getCost(
      Shapes{{1, 1, 1, 4}, {1, 1, 16, 4}, {1, 1, 16, 4}, {1, 1, 1, 4}},
      {10, 9});
  EXPECT_EQ(cost.stateBytes, 10 * 4 * 4);
  cost = program.find<CacheAppendOp>().getCost(
      Shapes{{1, 1, 1, 4}, {1, 1, 16, 4}}, {9});
  EXPECT_EQ(cost.flops, 0);
  EXPECT_EQ(cost.bytesRead, 16);
  EXPECT_EQ(cost.bytesWritten, 16);
  EXPECT_EQ(cost.stateBytes, 16);
}

TEST(CostModelTest, ScanReadsAndWritesItsState) {
  Cost cost = getCost(
      "(%q: tensor<1x?x4x8xf32>, %v: tensor<1x?x4x16xf32>, %g: "
      "tensor<1x?x4xf32>, %s: tensor<1x4x8x16xf32>) {\n"
      "%r:2 = hybrid.scan gated ins(%q, %q, %v : tensor<1x?x4x8xf32>, "
      "tensor<1x?x4x8xf32>, tensor<1x?x4x16xf32>) decay(%g : "
      "tensor<1x?x4xf32>) outs(%v, %s : tensor<1x?x4x16xf32>, "
      "tensor<1x4x8x16xf32>) {scale = 1.0 : f64} -> tensor<1x?x4x16xf32>, "
      "tensor<1x4x8x16xf32>\nreturn }",
      {{1, 5, 4, 8},
       {1, 5, 4, 8},
       {1, 5, 4, 16},
       {1, 5, 4},
       {1, 5, 4, 16},
       {1, 4, 8, 16}});
  double state = 4 * 8 * 16 * 4;
  EXPECT_EQ(cost.stateBytes, 2 * state);
  EXPECT_EQ(cost.bytesWritten, 5 * 4 * 16 * 4 + state);
  EXPECT_EQ(cost.bytesRead,
            2 * (5 * 4 * 8 * 4) + 5 * 4 * 16 * 4 + 5 * 4 * 4 + state);
  EXPECT_EQ(cost.exps, 5 * 4);
  // Decay, update (two) and read (two) of 8 x 16 numbers, scale of 16.
  EXPECT_EQ(cost.flops, 5 * 4 * (5 * 8 * 16 + 16));
}

/// FLOPs of `steps` steps of a scan with 3 heads, 8 x 16, and these clauses.
static double getScanFlops(const std::string &rule, const std::string &clauses,
                           const std::string &attributes, int64_t steps) {
  Shapes shapes = {{2, steps, 3, 8}, {2, steps, 3, 8}, {2, steps, 3, 16}};
  if (!clauses.empty())
    shapes.push_back({2, steps, 3});
  shapes.append({{2, steps, 3, 16}, {2, 3, 8, 16}});
  std::string scan =
      "(%q: tensor<2x?x3x8xf32>, %v: tensor<2x?x3x16xf32>, %g: "
      "tensor<2x?x3xf32>, %s: tensor<2x3x8x16xf32>) {\n%r:2 = hybrid.scan " +
      rule +
      " ins(%q, %q, %v : tensor<2x?x3x8xf32>, tensor<2x?x3x8xf32>, "
      "tensor<2x?x3x16xf32>) " +
      clauses + " outs(%v, %s : tensor<2x?x3x16xf32>, tensor<2x3x8x16xf32>) {" +
      attributes +
      "scale = 1.0 : f64} -> tensor<2x?x3x16xf32>, tensor<2x3x8x16xf32>\n"
      "return }";
  return getCost(scan, shapes).flops;
}

TEST(CostModelTest, AScanCountsItsForm) {
  const double heads = 2 * 3, state = 8 * 16;
  // Update and read (two each), scale.
  double perStep = heads * (4 * state + 16);
  EXPECT_EQ(getScanFlops("linear", "", "", 7), 7 * perStep);
  // A chunk of 4: 10 pairs of 8 + 16 numbers, read and update of the state, and
  // the outputs' two parts.
  std::string chunked = "form = #hybrid.scan_form<chunked>, chunk = 4 : i64, ";
  double perChunk =
      heads * (10 * 2 * 24 + 4 * (2 * state + 2 * 16) + 4 * 2 * state);
  EXPECT_EQ(getScanFlops("linear", "", chunked, 8), 2 * perChunk);
  // The last chunk as if it were full, or its steps one by one.
  EXPECT_EQ(getScanFlops("linear", "", chunked, 7), 2 * perChunk);
  EXPECT_EQ(
      getScanFlops("linear", "", chunked + "sequential_below = 4 : i64, ", 7),
      perChunk + 3 * perStep);
  // Decays: one for each pair, those of queries, keys and the state.
  std::string decay = "decay(%g : tensor<2x?x3xf32>)";
  EXPECT_EQ(getScanFlops("gated", decay, chunked, 4),
            perChunk + heads * (10 + 4 * 8 + 4 * 8 + state));
  // What the delta rule takes away: 6 pairs, the state's part, two operations
  // per value.
  std::string beta = "beta(%g : tensor<2x?x3xf32>)";
  EXPECT_EQ(getScanFlops("delta", beta, chunked, 4),
            perChunk + heads * (6 * 2 * 24 + 4 * (2 * state + 2 * 16)));
  // 4 combinations of 4 steps, and the one with the state before them.
  std::string associative =
      "form = #hybrid.scan_form<associative>, chunk = 4 : i64, ";
  EXPECT_EQ(getScanFlops("linear", "", associative, 4),
            heads * (4 * state + 5 * (2 * state + 8) + 4 * (2 * state + 16)));
}

TEST(CostModelTest, OfExpertsTheChosenCount) {
  std::string product =
      "(%x: tensor<?x8xf32>, %w: tensor<4x6x8xf16>, %e: tensor<?xi64>, %o: "
      "tensor<?x6xf32>) {\n%r = hybrid.expert_matmul ins(%x, %w : "
      "tensor<?x8xf32>, tensor<4x6x8xf16>) experts(%e : tensor<?xi64>) "
      "outs(%o : tensor<?x6xf32>) {chosen = 2 : i64} -> tensor<?x6xf32>\n"
      "return }";
  // One row reads two of four matrices, three rows all.
  Cost cost = getCost(product, {{1, 8}, {4, 6, 8}, {2}, {2, 6}});
  EXPECT_EQ(cost.flops, 2 * 2 * 6 * 8);
  EXPECT_EQ(cost.bytesRead, 8 * 4 + 2 * 8 + 2 * (6 * 8 * 2));
  EXPECT_EQ(cost.bytesWritten, 2 * 6 * 4);
  cost = getCost(product, {{3, 8}, {4, 6, 8}, {6}, {6, 6}});
  EXPECT_EQ(cost.flops, 6 * 2 * 6 * 8);
  EXPECT_EQ(cost.bytesRead, 3 * 8 * 4 + 6 * 8 + 4 * (6 * 8 * 2));
  cost = getCost(
      "(%l: tensor<3x5xf32>, %e: tensor<3x2xi64>, %w: tensor<3x2xf32>) {\n"
      "%r:2 = hybrid.route sigmoid ins(%l : tensor<3x5xf32>) outs(%e, %w : "
      "tensor<3x2xi64>, tensor<3x2xf32>) -> tensor<3x2xi64>, "
      "tensor<3x2xf32>\nreturn }",
      {{3, 5}, {3, 2}, {3, 2}});
  EXPECT_EQ(cost.exps, 15);
  EXPECT_EQ(cost.flops, 15 * 2 + 2 * 6 + 2 * 15);
  EXPECT_EQ(cost.bytesRead, 15 * 4);
  EXPECT_EQ(cost.bytesWritten, 6 * 8 + 6 * 4);
}

TEST(CostModelTest, TheRest) {
  Cost conv = getCost(
      "(%x: tensor<1x8x?xf32>, %w: tensor<8x4xf32>, %s: tensor<1x8x3xf32>) {\n"
      "%r:2 = hybrid.causal_conv ins(%x, %w : tensor<1x8x?xf32>, "
      "tensor<8x4xf32>) outs(%x, %s : tensor<1x8x?xf32>, tensor<1x8x3xf32>) "
      "-> tensor<1x8x?xf32>, tensor<1x8x3xf32>\nreturn }",
      {{1, 8, 5}, {8, 4}, {1, 8, 5}, {1, 8, 3}});
  EXPECT_EQ(conv.flops, 8 * 5 * 8);
  EXPECT_EQ(conv.stateBytes, 2 * 8 * 3 * 4);

  Cost rope = getCost(
      "(%x: tensor<1x4x?x16xf32>, %c: tensor<512x4xf32>, %p: "
      "tensor<1x?xi64>) {\n"
      "%r = hybrid.rope ins(%x, %c, %c : tensor<1x4x?x16xf32>, "
      "tensor<512x4xf32>, tensor<512x4xf32>) positions(%p : tensor<1x?xi64>) "
      "outs(%x : tensor<1x4x?x16xf32>) {rotary_dim = 8 : i64} -> "
      "tensor<1x4x?x16xf32>\nreturn }",
      {{1, 4, 5, 16}, {512, 4}, {512, 4}, {1, 5}, {1, 4, 5, 16}});
  EXPECT_EQ(rope.flops, 4 * 5 * (4 * 6));
  EXPECT_EQ(rope.bytesRead, 4 * 5 * 16 * 4 + 5 * 8 + 2 * 5 * 4 * 4);

  Cost norm = getCost("(%x: tensor<?x16xbf16>, %w: tensor<16xf32>) {\n"
                      "%r = hybrid.norm rms ins(%x : tensor<?x16xbf16>) "
                      "scale(%w : tensor<16xf32>) outs(%x : "
                      "tensor<?x16xbf16>) {axis = 1 : i64, epsilon = 0.0 : "
                      "f64} -> tensor<?x16xbf16>\nreturn }",
                      {{3, 16}, {16}, {3, 16}});
  EXPECT_EQ(norm.flops, 3 * 16 * 4);
  EXPECT_EQ(norm.bytesRead, 3 * 16 * 2 + 16 * 4);
  EXPECT_EQ(norm.bytesWritten, 3 * 16 * 2);

  Cost gated = getCost(
      "(%x: tensor<?x16xf32>) {\n"
      "%r = hybrid.gated_norm gate_first ins(%x, %x : tensor<?x16xf32>, "
      "tensor<?x16xf32>) outs(%x : tensor<?x16xf32>) {activation = "
      "#hybrid.activation<silu>, epsilon = 0.0 : f64} -> tensor<?x16xf32>\n"
      "return }",
      {{3, 16}, {3, 16}, {3, 16}});
  EXPECT_EQ(gated.exps, 3 * 16);
  EXPECT_EQ(gated.bytesRead, 2 * 3 * 16 * 4);

  Cost sum = getCost("(%x: tensor<?x16xi64>) {\n"
                     "%r = hybrid.cumsum ins(%x : tensor<?x16xi64>) outs(%x : "
                     "tensor<?x16xi64>) {axis = 1 : i64} -> "
                     "tensor<?x16xi64>\nreturn }",
                     {{3, 16}, {3, 16}});
  EXPECT_EQ(sum.flops, 48);
  EXPECT_EQ(sum.bytesWritten, 48 * 8);
}
