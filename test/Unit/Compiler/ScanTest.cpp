//===- ScanTest.cpp - recurrences lowered, against their meaning ----------===//

#include "Differential.h"

#include "gtest/gtest.h"
#include <cmath>

using namespace hybrid::test;

namespace {
/// Numbers of query, key and value heads.
struct Heads {
  int64_t query, key, value;
};
} // namespace

/// Logarithms of decays: next to 1, usual, next to 0, and 0.
static Fill decays(Random &random) {
  return random.pick<Fill>({uniform(-2, 0), uniform(-1e-6, 0),
                            uniform(-100, -20),
                            oneOf({0, -0.1, -0.5, -3, -40, -INFINITY})});
}

static void addScan(ModuleText &module, Random &random,
                    const std::string &batch, const std::string &time,
                    int64_t largestDim) {
  std::string rule = random.pick<std::string>(
      {"linear", "gated", "gated", "delta", "gated_delta", "gated_delta"});
  bool isDelta = rule == "delta" || rule == "gated_delta";
  bool isGated = rule == "gated" || rule == "gated_delta";
  std::string type =
      random.pick<std::string>({"f32", "f32", "f32", "f16", "bf16", "f64"});
  std::string stateType = type == "f64" || random.chance(0.4) ? type : "f32";
  Heads heads = random.pick<Heads>({{1, 1, 1},
                                    {2, 2, 2},
                                    {1, 1, 3},
                                    {2, 1, 4},
                                    {2, 2, 4},
                                    {6, 1, 2},
                                    {4, 2, 2},
                                    {3, 3, 3}});
  auto pickDim = [&] {
    return std::to_string(
        std::min(largestDim, random.pick<int64_t>({1, 3, 8, 16, 17, 32, 70})));
  };
  std::string keyDim = pickDim(), valueDim = pickDim();
  std::string valueHeads = std::to_string(heads.value);
  auto rows = [&](int64_t numHeads, const std::string &dim) {
    return Dims{batch, time, std::to_string(numHeads), dim};
  };
  Dims query = rows(heads.query, keyDim), key = rows(heads.key, keyDim),
       value = rows(heads.value, valueDim),
       result = rows(std::max(heads.query, heads.value), valueDim),
       stateDims = {batch, valueHeads, keyDim, valueDim};

  std::string operands[] = {
      module.input(query, type),
      // Longer keys make the delta rule's states grow without bound.
      module.input(key, type, isDelta ? unitRows() : uniform()),
      module.input(value, type)};
  std::string label = "scan " + rule + " " + type + " heads " +
                      std::to_string(heads.query) + "/" +
                      std::to_string(heads.key) + "/" + valueHeads;
  std::string clauses;
  auto add = [&](const std::string &name, const Dims &dims, Fill fill) {
    std::string operand = module.input(dims, type, fill);
    clauses +=
        name + "(" + operand + " : " + ModuleText::tensor(dims, type) + ") ";
    label += " " + name + " " + ModuleText::tensor(dims, type);
  };
  if (isGated)
    add("decay",
        random.chance(0.5) ? Dims{batch, time, valueHeads}
                           : Dims{batch, time, valueHeads, keyDim},
        decays(random));
  if (isDelta)
    add("beta", {batch, time, random.chance(0.3) ? "1" : valueHeads},
        uniform(0, 1));
  // The state is in place, or an input that must not change.
  bool isInPlace = random.chance(0.6);
  std::string state = isInPlace ? module.state(stateDims, stateType)
                                : module.input(stateDims, stateType);
  std::string init = module.empty(result, type), out = module.fresh();
  std::string resultType = ModuleText::tensor(result, type),
              stateText = ModuleText::tensor(stateDims, stateType);
  module.line(out + ":2 = hybrid.scan " + rule + " ins(" + operands[0] + ", " +
              operands[1] + ", " + operands[2] + " : " +
              ModuleText::tensor(query, type) + ", " +
              ModuleText::tensor(key, type) + ", " +
              ModuleText::tensor(value, type) + ") " + clauses + "outs(" +
              init + ", " + state + " : " + resultType + ", " + stateText +
              ") {scale = " + std::to_string(random.real(0.1, 1)) +
              " : f64} -> " + resultType + ", " + stateText);
  // Rounding errors of earlier steps stay in the state.
  module.result(label, out + "#0", result, type, toleranceOf(type, 2));
  if (isInPlace)
    module.writeState(state, out + "#1", toleranceOf(stateType, 2));
  else
    module.result(label + " state", out + "#1", stateDims, stateType,
                  toleranceOf(stateType, 2));
}

class Scan : public testing::TestWithParam<uint64_t> {};

TEST_P(Scan, AnyLength) {
  Random random(GetParam());
  ModuleText module;
  for (int i = 0; i < 10; ++i)
    addScan(module, random, "B", "T", 70);
  checkCompiled(module,
                {{{"B", 2}, {"T", 5}},
                 {{"B", 2}, {"T", 1}},
                 {{"B", 1}, {"T", 33}},
                 {{"B", 1}, {"T", 0}},
                 {{"B", 3}, {"T", 2}}},
                getVectorWidth(GetParam()), GetParam());
}

TEST_P(Scan, OneToken) {
  Random random(GetParam());
  ModuleText module;
  for (int i = 0; i < 10; ++i)
    addScan(module, random, random.pick<std::string>({"B", "1"}), "1", 70);
  // The states of one call are the next one's.
  checkCompiled(module, {{{"B", 1}}, {{"B", 1}}, {{"B", 4}}},
                getVectorWidth(GetParam()), GetParam());
}

INSTANTIATE_TEST_SUITE_P(Seeds, Scan, testing::Range<uint64_t>(1, 7));

TEST(ScanLong, ManyTokens) {
  Random random(7);
  ModuleText module;
  for (int i = 0; i < 8; ++i)
    addScan(module, random, "1", "T", 16);
  checkCompiled(module, {{{"T", 300}}, {{"T", 129}}}, getVectorWidths().back(),
                7);
}
