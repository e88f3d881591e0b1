//===- EvaluatorTest.cpp - identities that the operations' meaning obeys --===//

#include "Program.h"

#include "gtest/gtest.h"
#include <cmath>

using namespace hybrid;
using namespace hybrid::test;
using llvm::ArrayRef;

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

namespace {
/// Attention of [2,4,T,3] queries on [2,2,6,3] keys and [2,2,6,5] values;
/// `extra` is mask, sinks or lengths with operand %x of type `type`.
std::string attention(const std::string &extra, const std::string &type,
                      const std::string &attributes, int64_t numKeys = 6) {
  std::string operand = extra.empty() ? "" : extra + "(%x : " + type + ") ";
  return "(%q: tensor<2x4x?x3xf64>, %k: tensor<2x2x6x3xf64>, "
         "%v: tensor<2x2x6x5xf64>, %o: tensor<2x4x?x5xf64>, %p: index, %x: " +
         (type.empty() ? "index" : type) +
         ") -> tensor<2x4x?x5xf64> {\n"
         "%n = arith.constant " +
         std::to_string(numKeys) +
         " : index\n"
         "%r = hybrid.attention ins(%q, %k, %v : tensor<2x4x?x3xf64>, "
         "tensor<2x2x6x3xf64>, tensor<2x2x6x5xf64>) " +
         operand +
         "kv_length(%n) q_offset(%p) outs(%o : tensor<2x4x?x5xf64>) "
         "{scale = 0.7 : f64" +
         attributes +
         "} -> tensor<2x4x?x5xf64>\n"
         "return %r : tensor<2x4x?x5xf64> }";
}

RefTensor index(int64_t value) { return RefTensor({}, value); }

struct AttentionTest : testing::Test {
  int64_t time = 4, numKeys = 6;
  RefTensor query = random({2, 4, time, 3}), key = random({2, 2, numKeys, 3}),
            value = random({2, 2, numKeys, 5}), init = random({2, 4, time, 5});

  RefTensor run(const std::string &text, int64_t offset,
                const RefTensor &x = index(0)) {
    return Program(text).run({query, key, value, init, index(offset), x})[0];
  }

  /// softmax(scale·q·kᵀ + mask)·v with the mask as a function.
  RefTensor direct(const std::function<double(int64_t b, int64_t h, int64_t i,
                                              int64_t j)> &mask) {
    return generate({2, 4, time, 5}, [&](ArrayRef<int64_t> at) {
      int64_t b = at[0], h = at[1], i = at[2];
      double sum = 0, weighted = 0;
      for (int64_t j = 0; j < numKeys; ++j) {
        double score = mask(b, h, i, j);
        for (int64_t d = 0; d < 3; ++d)
          score += 0.7 * query.at({b, h, i, d}) * key.at({b, h / 2, j, d});
        sum += std::exp(score);
        weighted += std::exp(score) * value.at({b, h / 2, j, at[3]});
      }
      return sum == 0 ? 0 : weighted / sum;
    });
  }
};
} // namespace

static double visible(bool isVisible) { return isVisible ? 0 : -INFINITY; }

TEST_F(AttentionTest, IsExplicitSoftmax) {
  expectNear(run(attention("", "", ""), 0),
             direct([](int64_t, int64_t, int64_t, int64_t) { return 0.0; }));
}

TEST_F(AttentionTest, CausalFromAnOffset) {
  expectNear(run(attention("", "", ", causal"), 2),
             direct([](int64_t, int64_t, int64_t i, int64_t j) {
               return visible(j <= i + 2);
             }));
}

TEST_F(AttentionTest, WindowsAndSinkPrefix) {
  expectNear(run(attention("", "",
                           ", window_left = 1 : i64, window_right = 1 "
                           ": i64, sink_prefix = 1 : i64"),
                 1),
             direct([](int64_t, int64_t, int64_t i, int64_t j) {
               return visible((j >= i + 1 - 1 || j < 1) && j <= i + 1 + 1);
             }));
}

TEST_F(AttentionTest, FloatMaskBroadcastsAndEndsEarly) {
  RefTensor mask = random({4, 1, 5});
  expectNear(run(attention("mask", "tensor<4x1x5xf64>", ""), 0, mask),
             direct([&](int64_t, int64_t h, int64_t, int64_t j) {
               return j < 5 ? mask.at({h, 0, j}) : -INFINITY;
             }));
}

TEST_F(AttentionTest, SinksOnlyNormalise) {
  RefTensor sinks = random({4});
  RefTensor plain = run(attention("", "", ""), 0);
  RefTensor result = run(attention("sinks", "tensor<4xf64>", ""), 0, sinks);
  RefTensor expected = generate(plain.shape, [&](ArrayRef<int64_t> at) {
    double sum = 0;
    for (int64_t j = 0; j < numKeys; ++j) {
      double score = 0;
      for (int64_t d = 0; d < 3; ++d)
        score += 0.7 * query.at({at[0], at[1], at[2], d}) *
                 key.at({at[0], at[1] / 2, j, d});
      sum += std::exp(score);
    }
    return plain.at(at) * sum / (sum + std::exp(sinks.at({at[1]})));
  });
  expectNear(result, expected);
}

TEST_F(AttentionTest, SoftcapLargeIsNone) {
  expectNear(run(attention("", "", ", softcap = 1.0e9 : f64"), 0),
             run(attention("", "", ""), 0));
}

TEST_F(AttentionTest, TilesOverTimeShiftTheOffset) {
  RefTensor whole = run(attention("", "", ", causal"), 2);
  query = slice(query, {0, 0, 1, 0}, {2, 4, 2, 3});
  init = slice(init, {0, 0, 1, 0}, {2, 4, 2, 5});
  expectNear(run(attention("", "", ", causal"), 2 + 1),
             slice(whole, {0, 0, 1, 0}, {2, 4, 2, 5}));
}

TEST_F(AttentionTest, LengthsPlaceQueriesAtTheEnd) {
  RefTensor lengths = filled({2}, 6);
  lengths.data[0] = 4;
  std::string text =
      attention("lengths", "tensor<2xi64>", ", window_left = 2 : i64, causal");
  RefTensor whole = run(text, 0, lengths);
  expectNear(whole, direct([&](int64_t b, int64_t, int64_t i, int64_t j) {
               int64_t length = lengths.at({b}), p = length - time + i;
               return visible(j < length && j <= p && j >= p - 2);
             }));
  // A tile of 2 queries from 1 on.
  query = slice(query, {0, 0, 1, 0}, {2, 4, 2, 3});
  init = slice(init, {0, 0, 1, 0}, {2, 4, 2, 5});
  expectNear(run(text, 1 + 2 - 4, lengths),
             slice(whole, {0, 0, 1, 0}, {2, 4, 2, 5}));
}

TEST_F(AttentionTest, LayoutsAreTranspositions) {
  RefTensor expected = run(attention("", "", ", causal"), 0);
  Program program(
      "(%q: tensor<2x?x4x3xf64>, %k: tensor<2x6x2x3xf64>, "
      "%v: tensor<2x6x2x5xf64>, %o: tensor<2x?x4x5xf64>, %p: index) -> "
      "tensor<2x?x4x5xf64> {\n"
      "%n = arith.constant 6 : index\n"
      "%r = hybrid.attention ins(%q, %k, %v : tensor<2x?x4x3xf64>, "
      "tensor<2x6x2x3xf64>, tensor<2x6x2x5xf64>) kv_length(%n) q_offset(%p) "
      "outs(%o : tensor<2x?x4x5xf64>) {scale = 0.7 : f64, causal, "
      "q_layout = #hybrid.layout<bthd>, kv_layout = #hybrid.layout<bthd>} -> "
      "tensor<2x?x4x5xf64>\nreturn %r : tensor<2x?x4x5xf64> }");
  RefTensor result =
      program.run({transpose(query, {0, 2, 1, 3}), transpose(key, {0, 2, 1, 3}),
                   transpose(value, {0, 2, 1, 3}),
                   transpose(init, {0, 2, 1, 3}), index(0)})[0];
  expectNear(transpose(result, {0, 2, 1, 3}), expected);
}

TEST_F(AttentionTest, RefusesKeysThatAreNotThere) {
  Program program(attention("", "", "", 7));
  EXPECT_EQ(program.error({query, key, value, init, index(0), index(0)}),
            "'hybrid.attention' op kv_length 7 is not within the 6 positions");
}

TEST_F(AttentionTest, RefusesShapesThatDisagree) {
  Program program(attention("", "", ""));
  EXPECT_EQ(program.error({query, key, value, random({2, 4, time + 1, 5}),
                           index(0), index(0)}),
            "'hybrid.attention' op C5: init must have shape [2,4,4,5], but is "
            "'tensor<2x4x5x5xf64>'");
  EXPECT_EQ(program.error(
                {query, random({2, 2, 7, 3}), value, init, index(0), index(0)}),
            "'hybrid.attention' op an operand of type 'tensor<2x2x6x3xf64>' is "
            "evaluated on another shape");
}

//===----------------------------------------------------------------------===//
// Scan
//===----------------------------------------------------------------------===//

namespace {
/// A scan of [2,T,queryHeads,3] queries, [2,T,keyHeads,3] keys and
/// [2,T,valueHeads,4] values, T dynamic.
struct Scan {
  std::string rule = "linear";
  int64_t queryHeads = 2, keyHeads = 2, valueHeads = 2;
  bool decay = false, decayPerChannel = false, beta = false, betaShared = false;

  static std::string type(int64_t heads, const std::string &last) {
    return "tensor<2x?x" + std::to_string(heads) + last + "xf64>";
  }

  Program make() const {
    std::string q = type(queryHeads, "x3"), k = type(keyHeads, "x3"),
                v = type(valueHeads, "x4"),
                o = type(std::max(queryHeads, valueHeads), "x4"),
                g = type(valueHeads, decayPerChannel ? "x3" : ""),
                b = type(betaShared ? 1 : valueHeads, ""),
                s = "tensor<2x" + std::to_string(valueHeads) + "x3x4xf64>";
    std::string text = "(%q: " + q + ", %k: " + k + ", %v: " + v +
                       ", %o: " + o + ", %s: " + s + ", %g: " + g +
                       ", %b: " + b + ") -> (" + o + ", " + s +
                       ") {\n%r:2 = hybrid.scan " + rule +
                       " ins(%q, %k, %v : " + q + ", " + k + ", " + v + ") ";
    if (decay)
      text += "decay(%g : " + g + ") ";
    if (beta)
      text += "beta(%b : " + b + ") ";
    text += "outs(%o, %s : " + o + ", " + s + ") {scale = 0.5 : f64} -> " + o +
            ", " + s + "\nreturn %r#0, %r#1 : " + o + ", " + s + " }";
    return Program(text);
  }
};

struct ScanOperands {
  RefTensor q, k, v, o, s, g, b;

  ScanOperands(const Scan &scan, int64_t time)
      : q(random({2, time, scan.queryHeads, 3})),
        k(random({2, time, scan.keyHeads, 3})),
        v(random({2, time, scan.valueHeads, 4})),
        o({2, time, std::max(scan.queryHeads, scan.valueHeads), 4}),
        s(random({2, scan.valueHeads, 3, 4})),
        g(scan.decayPerChannel ? random({2, time, scan.valueHeads, 3})
                               : random({2, time, scan.valueHeads})),
        b(random({2, time, scan.betaShared ? 1 : scan.valueHeads})) {}

  std::vector<RefTensor> list() const { return {q, k, v, o, s, g, b}; }

  /// Steps `first` to `first + time - 1`, from `state` on.
  ScanOperands steps(int64_t first, int64_t time, RefTensor state) const {
    auto cut = [&](const RefTensor &tensor) {
      llvm::SmallVector<int64_t> offsets(tensor.shape.size(), 0),
          sizes(tensor.shape);
      offsets[1] = first;
      sizes[1] = time;
      return slice(tensor, offsets, sizes);
    };
    ScanOperands result = *this;
    result.q = cut(q), result.k = cut(k), result.v = cut(v), result.o = cut(o);
    result.g = cut(g), result.b = cut(b), result.s = state;
    return result;
  }
};

Scan gatedDelta() {
  Scan scan;
  scan.rule = "gated_delta";
  scan.decay = scan.beta = true;
  return scan;
}
} // namespace

/// Σ over d of q and k at a step and head each.
static double dot(const RefTensor &q, const RefTensor &k, int64_t b, int64_t t,
                  int64_t qHead, int64_t u, int64_t kHead) {
  double sum = 0;
  for (int64_t d = 0; d < 3; ++d)
    sum += q.at({b, t, qHead, d}) * k.at({b, u, kHead, d});
  return sum;
}

TEST(ScanTest, GatedIsDecayedLinearAttention) {
  Scan scan;
  scan.rule = "gated";
  scan.decay = true;
  ScanOperands x(scan, 5);
  std::vector<RefTensor> results = scan.make().run(x.list());
  // y[t] = ½ q[t]·(Σ_u exp(g[u+1] + … + g[t]) k[u] v[u] + exp(g[0] + …) S)
  RefTensor expected = generate(x.o.shape, [&](ArrayRef<int64_t> at) {
    int64_t b = at[0], t = at[1], h = at[2], c = at[3];
    double sum = 0, decay = 0;
    for (int64_t u = t; u >= 0; --u) {
      sum +=
          std::exp(decay) * dot(x.q, x.k, b, t, h, u, h) * x.v.at({b, u, h, c});
      decay += x.g.at({b, u, h});
    }
    for (int64_t r = 0; r < 3; ++r)
      sum += std::exp(decay) * x.q.at({b, t, h, r}) * x.s.at({b, h, r, c});
    return 0.5 * sum;
  });
  expectNear(results[0], expected);
}

TEST(ScanTest, ZeroDecayIsLinear) {
  Scan linear, gated;
  gated.rule = "gated";
  gated.decay = gated.decayPerChannel = true;
  ScanOperands x(gated, 6);
  x.g = filled(x.g.shape, 0);
  std::vector<RefTensor> expected = [&] {
    ScanOperands y = x;
    y.g = filled({2, 6, 2}, 0);
    return linear.make().run(y.list());
  }();
  std::vector<RefTensor> results = gated.make().run(x.list());
  expectNear(results[0], expected[0]);
  expectNear(results[1], expected[1]);
}

TEST(ScanTest, DecayPerChannelGeneralisesDecayPerHead) {
  Scan perHead = gatedDelta(), perChannel = gatedDelta();
  perChannel.decayPerChannel = true;
  ScanOperands x(perHead, 4), y = x;
  y.g = generate({2, 4, 2, 3},
                 [&](ArrayRef<int64_t> at) { return x.g.at(at.drop_back()); });
  std::vector<RefTensor> expected = perHead.make().run(x.list()),
                         results = perChannel.make().run(y.list());
  expectNear(results[0], expected[0]);
  expectNear(results[1], expected[1]);
}

TEST(ScanTest, DeltaWithoutOldValueIsLinear) {
  // With orthogonal keys nothing is stored under a key yet.
  Scan delta, linear;
  delta.rule = "delta";
  delta.beta = true;
  ScanOperands x(delta, 3);
  x.k = generate(x.k.shape, [](ArrayRef<int64_t> at) {
    return at[1] == at[3] ? 1.5 : 0.0;
  });
  x.s = filled(x.s.shape, 0);
  x.b = filled(x.b.shape, 1);
  expectNear(delta.make().run(x.list())[0], linear.make().run(x.list())[0]);
}

TEST(ScanTest, DeltaStoresTheValueUnderItsKey) {
  // beta = 1 and |k| = 1: reading the state by k gives v back.
  Scan delta;
  delta.rule = "delta";
  delta.beta = delta.betaShared = true;
  ScanOperands x(delta, 1);
  x.b = filled(x.b.shape, 1);
  RefTensor raw = x.k;
  x.k = generate(raw.shape, [&](ArrayRef<int64_t> at) {
    return raw.at(at) /
           std::sqrt(dot(raw, raw, at[0], at[1], at[2], at[1], at[2]));
  });
  x.q = x.k;
  RefTensor expected = generate(
      x.v.shape, [&](ArrayRef<int64_t> at) { return 0.5 * x.v.at(at); });
  expectNear(delta.make().run(x.list())[0], expected);
}

TEST(ScanTest, PartsOfTimeFollowEachOther) {
  Scan scan = gatedDelta();
  scan.decayPerChannel = scan.betaShared = true;
  Program program = scan.make();
  ScanOperands x(scan, 7);
  std::vector<RefTensor> whole = program.run(x.list());
  RefTensor output(x.o.shape), state = x.s;
  for (auto [first, time] :
       {std::pair(0, 3), std::pair(3, 1), std::pair(4, 3)}) {
    std::vector<RefTensor> part =
        program.run(x.steps(first, time, state).list());
    insert(output, part[0], {0, first, 0, 0});
    state = part[1];
  }
  expectNear(output, whole[0]);
  expectNear(state, whole[1]);
}

/// Each head of `tensor` (dimension 2) `times` times in a row.
static RefTensor repeatHeads(const RefTensor &tensor, int64_t times) {
  llvm::SmallVector<int64_t> shape(tensor.shape);
  shape[2] *= times;
  return generate(shape, [&](ArrayRef<int64_t> at) {
    std::vector<int64_t> from(at.begin(), at.end());
    from[2] /= times;
    return tensor.at(from);
  });
}

TEST(ScanTest, SharedKeysAreRepeatedKeys) {
  Scan shared = gatedDelta(), separate = gatedDelta();
  shared.queryHeads = 2, shared.keyHeads = 1, shared.valueHeads = 4;
  separate.queryHeads = separate.keyHeads = separate.valueHeads = 4;
  ScanOperands x(shared, 3), y = x;
  y.q = repeatHeads(x.q, 2);
  y.k = repeatHeads(x.k, 4);
  std::vector<RefTensor> expected = separate.make().run(y.list()),
                         results = shared.make().run(x.list());
  expectNear(results[0], expected[0]);
  expectNear(results[1], expected[1]);
}

TEST(ScanTest, MoreQueriesReadTheSameState) {
  Scan shared = gatedDelta(), separate = gatedDelta();
  shared.queryHeads = 4;
  separate.queryHeads = separate.keyHeads = separate.valueHeads = 4;
  ScanOperands x(shared, 3), y = x;
  y.k = repeatHeads(x.k, 2), y.v = repeatHeads(x.v, 2);
  y.g = repeatHeads(x.g, 2), y.b = repeatHeads(x.b, 2);
  y.s = generate({2, 4, 3, 4}, [&](ArrayRef<int64_t> at) {
    return x.s.at({at[0], at[1] / 2, at[2], at[3]});
  });
  expectNear(shared.make().run(x.list())[0], separate.make().run(y.list())[0]);
}

//===----------------------------------------------------------------------===//
// Causal convolution
//===----------------------------------------------------------------------===//

static Program convolution(const std::string &input,
                           const std::string &attributes) {
  return Program("(%x: " + input +
                 ", %w: tensor<3x4xf64>, %b: tensor<3xf64>, %s: "
                 "tensor<2x3x3xf64>) -> (" +
                 input + ", tensor<2x3x3xf64>) {\n" +
                 "%r:2 = hybrid.causal_conv ins(%x, %w : " + input +
                 ", tensor<3x4xf64>) bias(%b : tensor<3xf64>) outs(%x, %s : " +
                 input + ", tensor<2x3x3xf64>) " + attributes + "-> " + input +
                 ", tensor<2x3x3xf64>\nreturn %r#0, %r#1 : " + input +
                 ", tensor<2x3x3xf64> }");
}

TEST(CausalConvTest, IsAConvolutionOfThePaddedInput) {
  RefTensor x = random({2, 3, 5}), w = random({3, 4}), b = random({3}),
            s = random({2, 3, 3});
  std::vector<RefTensor> results =
      convolution("tensor<2x3x?xf64>", "").run({x, w, b, s});
  RefTensor padded({2, 3, 8});
  insert(padded, s, {0, 0, 0});
  insert(padded, x, {0, 0, 3});
  expectNear(results[0], generate({2, 3, 5}, [&](ArrayRef<int64_t> at) {
               double sum = b.at({at[1]});
               for (int64_t k = 0; k < 4; ++k)
                 sum += w.at({at[1], k}) * padded.at({at[0], at[1], at[2] + k});
               return sum;
             }));
  expectNear(results[1], slice(padded, {0, 0, 5}, {2, 3, 3}));
}

TEST(CausalConvTest, PartsOfTimeFollowEachOther) {
  RefTensor x = random({2, 3, 6}), w = random({3, 4}), b = random({3}),
            s = random({2, 3, 3});
  Program program = convolution("tensor<2x3x?xf64>",
                                "{activation = #hybrid.activation<silu>} ");
  std::vector<RefTensor> whole = program.run({x, w, b, s});
  RefTensor output(x.shape);
  // Parts shorter than the state as well.
  for (auto [first, time] :
       {std::pair(0, 4), std::pair(4, 1), std::pair(5, 1)}) {
    std::vector<RefTensor> part =
        program.run({slice(x, {0, 0, first}, {2, 3, time}), w, b, s});
    insert(output, part[0], {0, 0, first});
    s = part[1];
  }
  expectNear(output, whole[0]);
  expectNear(s, whole[1]);
}

TEST(CausalConvTest, LayoutsAreTranspositions) {
  RefTensor x = random({2, 3, 5}), w = random({3, 4}), b = random({3}),
            s = random({2, 3, 3});
  std::vector<RefTensor> expected =
      convolution("tensor<2x3x?xf64>", "").run({x, w, b, s});
  std::vector<RefTensor> results =
      convolution("tensor<2x?x3xf64>", "{layout = #hybrid.conv_layout<btc>} ")
          .run({transpose(x, {0, 2, 1}), w, b, s});
  expectNear(transpose(results[0], {0, 2, 1}), expected[0]);
  expectNear(results[1], expected[1]);
}

//===----------------------------------------------------------------------===//
// Rotary embedding
//===----------------------------------------------------------------------===//

static Program rope(const std::string &attributes) {
  return Program(
      "(%x: tensor<1x2x?x6xf64>, %c: tensor<9x2xf64>, %s: tensor<9x2xf64>, "
      "%p: tensor<1x?xi64>) -> tensor<1x2x?x6xf64> {\n"
      "%r = hybrid.rope ins(%x, %c, %s : tensor<1x2x?x6xf64>, "
      "tensor<9x2xf64>, tensor<9x2xf64>) positions(%p : tensor<1x?xi64>) "
      "outs(%x : tensor<1x2x?x6xf64>) {rotary_dim = 4 : i64" +
      attributes +
      "} -> tensor<1x2x?x6xf64>\nreturn %r : tensor<1x2x?x6xf64> }");
}

static RefTensor table(double (*function)(double)) {
  return generate({9, 2}, [&](ArrayRef<int64_t> at) {
    return function(at[0] * (at[1] == 0 ? 1.0 : 0.3));
  });
}

TEST(RopeTest, ProductsDependOnTheDistance) {
  for (const char *attributes : {"", ", interleaved"}) {
    Program program = rope(attributes);
    RefTensor x = random({1, 2, 1, 6}), y = random({1, 2, 1, 6});
    auto product = [&](double m, double n) {
      RefTensor a = program.run(
          {x, table(std::cos), table(std::sin), filled({1, 1}, m)})[0];
      RefTensor b = program.run(
          {y, table(std::cos), table(std::sin), filled({1, 1}, n)})[0];
      double sum = 0;
      for (size_t i = 0; i < a.data.size(); ++i)
        sum += a.data[i] * b.data[i];
      return sum;
    };
    EXPECT_NEAR(product(3, 1), product(8, 6), 1e-12);
    EXPECT_GT(std::abs(product(3, 1) - product(3, 3)), 1e-3);
  }
}

TEST(RopeTest, RefusesPositionsOutsideOfTheTable) {
  Program program = rope("");
  EXPECT_EQ(program.error({random({1, 2, 1, 6}), table(std::cos),
                           table(std::sin), filled({1, 1}, 9)}),
            "'hybrid.rope' op position 9 is not in the 9 rows of cos and sin");
}

//===----------------------------------------------------------------------===//
// Norms
//===----------------------------------------------------------------------===//

static Program norm(const std::string &kind, const std::string &attributes,
                    const std::string &element = "f64") {
  std::string type = "tensor<?x6x" + element + ">";
  return Program("(%x: " + type + ") -> " + type + " {\n%r = hybrid.norm " +
                 kind + " ins(%x : " + type + ") outs(%x : " + type + ") {" +
                 attributes + "} -> " + type + "\nreturn %r : " + type + " }");
}

TEST(NormTest, LayerIsRmsOfTheCentredInput) {
  RefTensor x = random({3, 6});
  RefTensor centred = generate({3, 6}, [&](ArrayRef<int64_t> at) {
    double mean = 0;
    for (int64_t c = 0; c < 6; ++c)
      mean += x.at({at[0], c}) / 6;
    return x.at(at) - mean;
  });
  std::string attributes = "axis = 1 : i64, epsilon = 0.1 : f64";
  expectNear(norm("layer", attributes).run({x})[0],
             norm("rms", attributes).run({centred})[0]);
}

TEST(NormTest, GroupsAreNormalisedAlone) {
  RefTensor x = random({2, 6});
  RefTensor result =
      norm("layer", "axis = 1 : i64, epsilon = 0.0 : f64, group_size = 3 : i64")
          .run({x})[0];
  for (int64_t row : {0, 1})
    for (int64_t first : {0, 3}) {
      double sum = 0, squares = 0;
      for (int64_t c = first; c < first + 3; ++c) {
        sum += result.at({row, c});
        squares += result.at({row, c}) * result.at({row, c});
      }
      EXPECT_NEAR(sum, 0, 1e-12);
      EXPECT_NEAR(squares, 3, 1e-12);
    }
}

TEST(NormTest, HalfPrecisionIsRounded) {
  RefTensor x = random({2, 6});
  std::string attributes = "axis = 1 : i64, epsilon = 0.0 : f64";
  RefTensor exact = norm("rms", attributes).run({x})[0];
  RefTensor rounded = norm("rms", attributes, "bf16").run({x})[0];
  for (size_t i = 0; i < exact.data.size(); ++i) {
    // A bf16 has 8 significant bits.
    int exponent;
    double mantissa = std::frexp(rounded.data[i], &exponent);
    EXPECT_EQ(mantissa * 256, std::round(mantissa * 256));
    EXPECT_NEAR(rounded.data[i], exact.data[i], std::abs(exact.data[i]) / 256);
    EXPECT_NE(rounded.data[i], exact.data[i]);
  }
}

TEST(GatedNormTest, IsNormAndGateInEitherOrder) {
  RefTensor x = random({3, 6}), z = random({3, 6});
  auto gate = [&](const RefTensor &y) {
    return generate({3, 6}, [&](ArrayRef<int64_t> at) {
      return y.at(at) * z.at(at) / (1 + std::exp(-z.at(at)));
    });
  };
  auto run = [&](const std::string &order) {
    return Program("(%x: tensor<?x6xf64>, %z: tensor<?x6xf64>) -> "
                   "tensor<?x6xf64> {\n%r = hybrid.gated_norm " +
                   order +
                   " ins(%x, %z : tensor<?x6xf64>, tensor<?x6xf64>) outs(%x : "
                   "tensor<?x6xf64>) {activation = #hybrid.activation<silu>, "
                   "epsilon = 0.1 : f64, group_size = 2 : i64} -> "
                   "tensor<?x6xf64>\nreturn %r : tensor<?x6xf64> }")
        .run({x, z})[0];
  };
  Program plain =
      norm("rms", "axis = 1 : i64, epsilon = 0.1 : f64, group_size = 2 : i64");
  expectNear(run("gate_first"), plain.run({gate(x)})[0]);
  expectNear(run("norm_first"), gate(plain.run({x})[0]));
}

//===----------------------------------------------------------------------===//
// Running sum, caches, functions
//===----------------------------------------------------------------------===//

TEST(CumSumTest, ReverseIsTheSumOfTheMirroredInput) {
  auto run = [](const std::string &attributes, const RefTensor &x) {
    return Program("(%x: tensor<2x?x3xf64>) -> tensor<2x?x3xf64> {\n"
                   "%r = hybrid.cumsum ins(%x : tensor<2x?x3xf64>) outs(%x : "
                   "tensor<2x?x3xf64>) {axis = 1 : i64" +
                   attributes +
                   "} -> tensor<2x?x3xf64>\nreturn %r : tensor<2x?x3xf64> }")
        .run({x})[0];
  };
  auto mirror = [](const RefTensor &x) {
    return generate(x.shape, [&](ArrayRef<int64_t> at) {
      return x.at({at[0], x.shape[1] - 1 - at[1], at[2]});
    });
  };
  RefTensor x = random({2, 5, 3});
  expectNear(run(", reverse", x), mirror(run("", mirror(x))));
  // Exclusive and own element make inclusive.
  RefTensor exclusive = run(", exclusive", x);
  expectNear(generate(x.shape,
                      [&](ArrayRef<int64_t> at) {
                        return exclusive.at(at) + x.at(at);
                      }),
             run("", x));
}

TEST(CacheAppendTest, RefusesPositionsOutsideOfTheCache) {
  Program program(
      "(%x: tensor<1x2x?x3xf64>, %p: index, %c: tensor<1x2x4x3xf64>) -> "
      "tensor<1x2x4x3xf64> {\n"
      "%r = hybrid.cache_append ins(%x : tensor<1x2x?x3xf64>) at(%p) outs(%c : "
      "tensor<1x2x4x3xf64>) -> tensor<1x2x4x3xf64>\n"
      "return %r : tensor<1x2x4x3xf64> }");
  RefTensor x = random({1, 2, 2, 3}), cache = random({1, 2, 4, 3});
  EXPECT_EQ(program.error({x, index(2), cache}), "");
  EXPECT_EQ(program.error({x, index(3), cache}),
            "'hybrid.cache_append' op positions 3 to 4 are not within the 4 of "
            "the cache");
}

TEST(CacheAppendTest, WritesEachSequenceAtItsPosition) {
  Program program(
      "(%x: tensor<2x2x2x3xf64>, %p: index, %q: tensor<2xi64>, %c: "
      "tensor<2x2x4x3xf64>) -> tensor<2x2x4x3xf64> {\n"
      "%r = hybrid.cache_append ins(%x : tensor<2x2x2x3xf64>) at(%p) "
      "positions(%q : tensor<2xi64>) outs(%c : tensor<2x2x4x3xf64>) -> "
      "tensor<2x2x4x3xf64>\nreturn %r : tensor<2x2x4x3xf64> }");
  RefTensor x = random({2, 2, 2, 3}), cache = random({2, 2, 4, 3});
  auto positions = [](double first, double second) {
    return generate(
        {2}, [=](ArrayRef<int64_t> at) { return at[0] ? second : first; });
  };
  RefTensor expected = cache;
  insert(expected, slice(x, {0, 0, 0, 0}, {1, 2, 2, 3}), {0, 0, 2, 0});
  insert(expected, slice(x, {1, 0, 0, 0}, {1, 2, 2, 3}), {1, 0, 1, 0});
  expectNear(program.run({x, index(1), positions(1, 0), cache})[0], expected);
  EXPECT_EQ(program.error({x, index(1), positions(0, 2), cache}),
            "'hybrid.cache_append' op positions 3 to 4 are not within the 4 of "
            "the cache");
}

TEST(InterpreterTest, NamesWhatItDoesNotKnow) {
  Program unknown("(%x: tensor<2xf64>) -> tensor<2xf64> {\n"
                  "%r = arith.negf %x : tensor<2xf64>\n"
                  "return %r : tensor<2xf64> }");
  EXPECT_EQ(unknown.error({random({2})}),
            "'arith.negf' op is not known to the reference interpreter");
  Program size("() -> index {\n%n = hybrid.dim \"seq\"\nreturn %n : index }");
  EXPECT_EQ(size.error({}), "'hybrid.dim' op has no value for 'seq'");
  EXPECT_EQ(unknown.error({}),
            "'func.func' op takes 1 arguments, but 0 are given");
}
