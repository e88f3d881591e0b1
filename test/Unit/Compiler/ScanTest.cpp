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
/// What distinguishes one scan from another.
struct ScanKind {
  std::string rule, type, stateType;
  Heads heads;
  bool perKey = false, sharedBeta = false;
  int64_t keyDim = 16, valueDim = 16;
  /// Of decays, as logarithms.
  Fill decays = uniform(-2, 0);
  std::string form = "sequential";
  int64_t chunk = 0, sequentialBelow = 0;
  /// Rounding errors of earlier steps stay in the state.
  double toleranceFactor = 2;

  bool isDelta() const { return rule == "delta" || rule == "gated_delta"; }
  bool isGated() const { return rule == "gated" || rule == "gated_delta"; }
};

const std::vector<Heads> groupings = {{1, 1, 1}, {2, 2, 2}, {1, 1, 3},
                                      {2, 1, 4}, {2, 2, 4}, {6, 1, 2},
                                      {4, 2, 2}, {3, 3, 3}};
} // namespace

/// Logarithms of decays: next to 1, usual, next to 0, and 0.
static Fill drawDecays(Random &random) {
  return random.pick<Fill>({uniform(-2, 0), uniform(-1e-6, 0),
                            uniform(-100, -20),
                            oneOf({0, -0.1, -0.5, -3, -40, -INFINITY})});
}

static void chooseForm(ScanKind &kind, Random &random) {
  kind.form = random.pick<std::string>(
      {"sequential", "chunked", "chunked", "chunked", "associative"});
  if (kind.form == "associative" && kind.isDelta())
    kind.form = "chunked";
  kind.chunk = random.pick<int64_t>({1, 3, 5, 16, 17, 24, 32, 40});
  kind.sequentialBelow = random.pick<int64_t>({0, 2, 4, 50});
}

static ScanKind drawScan(Random &random, int64_t largestDim) {
  ScanKind kind;
  kind.rule = random.pick<std::string>(
      {"linear", "gated", "gated", "delta", "gated_delta", "gated_delta"});
  kind.type =
      random.pick<std::string>({"f32", "f32", "f32", "f16", "bf16", "f64"});
  kind.stateType = kind.type == "f64" || random.chance(0.4) ? kind.type : "f32";
  kind.heads = random.pick(groupings);
  auto pickDim = [&] {
    return std::min(largestDim,
                    random.pick<int64_t>({1, 3, 8, 16, 17, 32, 70}));
  };
  kind.keyDim = pickDim();
  kind.valueDim = pickDim();
  kind.perKey = random.chance(0.5);
  kind.decays = drawDecays(random);
  kind.sharedBeta = random.chance(0.3);
  chooseForm(kind, random);
  return kind;
}

static void addScan(ModuleText &module, Random &random, const ScanKind &kind,
                    const std::string &batch, const std::string &time) {
  const std::string &type = kind.type, &stateType = kind.stateType;
  std::string keyDim = std::to_string(kind.keyDim),
              valueDim = std::to_string(kind.valueDim),
              valueHeads = std::to_string(kind.heads.value);
  auto rows = [&](int64_t numHeads, const std::string &dim) {
    return Dims{batch, time, std::to_string(numHeads), dim};
  };
  Dims query = rows(kind.heads.query, keyDim),
       key = rows(kind.heads.key, keyDim),
       value = rows(kind.heads.value, valueDim),
       result = rows(std::max(kind.heads.query, kind.heads.value), valueDim),
       stateDims = {batch, valueHeads, keyDim, valueDim};

  std::string operands[] = {
      module.input(query, type),
      // Longer keys make the delta rule's states grow without bound.
      module.input(key, type, kind.isDelta() ? unitRows() : uniform()),
      module.input(value, type)};
  std::string label = "scan " + kind.rule + " " + kind.form + " " +
                      std::to_string(kind.chunk) + " " + type + " heads " +
                      std::to_string(kind.heads.query) + "/" +
                      std::to_string(kind.heads.key) + "/" + valueHeads +
                      " dims " + keyDim + " " + valueDim;
  std::string clauses;
  auto add = [&](const std::string &name, const Dims &dims, Fill fill) {
    std::string operand = module.input(dims, type, fill);
    clauses +=
        name + "(" + operand + " : " + ModuleText::tensor(dims, type) + ") ";
    label += " " + name + " " + ModuleText::tensor(dims, type);
  };
  if (kind.isGated())
    add("decay",
        kind.perKey ? Dims{batch, time, valueHeads, keyDim}
                    : Dims{batch, time, valueHeads},
        kind.decays);
  if (kind.isDelta())
    add("beta", {batch, time, kind.sharedBeta ? "1" : valueHeads},
        uniform(0, 1));
  std::string form = "form = #hybrid.scan_form<" + kind.form + ">, ";
  if (kind.form != "sequential")
    form +=
        "chunk = " + std::to_string(kind.chunk) +
        " : i64, sequential_below = " + std::to_string(kind.sequentialBelow) +
        " : i64, ";
  // The state is in place, or an input that must not change.
  bool isInPlace = random.chance(0.6);
  std::string state = isInPlace ? module.state(stateDims, stateType)
                                : module.input(stateDims, stateType);
  std::string init = module.empty(result, type), out = module.fresh();
  std::string resultType = ModuleText::tensor(result, type),
              stateText = ModuleText::tensor(stateDims, stateType);
  module.line(out + ":2 = hybrid.scan " + kind.rule + " ins(" + operands[0] +
              ", " + operands[1] + ", " + operands[2] + " : " +
              ModuleText::tensor(query, type) + ", " +
              ModuleText::tensor(key, type) + ", " +
              ModuleText::tensor(value, type) + ") " + clauses + "outs(" +
              init + ", " + state + " : " + resultType + ", " + stateText +
              ") {" + form + "scale = " + std::to_string(random.real(0.1, 1)) +
              " : f64} -> " + resultType + ", " + stateText);
  Tolerance ofState = toleranceOf(stateType, kind.toleranceFactor);
  module.result(label, out + "#0", result, type,
                toleranceOf(type, kind.toleranceFactor));
  if (isInPlace)
    module.writeState(state, out + "#1", ofState);
  else
    module.result(label + " state", out + "#1", stateDims, stateType, ofState);
}

class Scan : public testing::TestWithParam<uint64_t> {};

TEST_P(Scan, AnyLength) {
  Random random(GetParam());
  ModuleText module;
  for (int i = 0; i < 10; ++i)
    addScan(module, random, drawScan(random, 70), "B", "T");
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
    addScan(module, random, drawScan(random, 70),
            random.pick<std::string>({"B", "1"}), "1");
  // The states of one call are the next one's.
  checkCompiled(module, {{{"B", 1}}, {{"B", 1}}, {{"B", 4}}},
                getVectorWidth(GetParam()), GetParam());
}

INSTANTIATE_TEST_SUITE_P(Seeds, Scan, testing::Range<uint64_t>(1, 7));

TEST(ScanLong, ManyTokens) {
  Random random(7);
  ModuleText module;
  for (int i = 0; i < 8; ++i)
    addScan(module, random, drawScan(random, 16), "1", "T");
  checkCompiled(module, {{{"T", 300}}, {{"T", 129}}}, getVectorWidths().back(),
                7);
}

//===----------------------------------------------------------------------===//
// Every form of every member
//===----------------------------------------------------------------------===//

namespace {
/// Decays that stay in one range, or mix them: next to 1 (a loss only visible
/// after many steps), usual, next to 0, less than any float can tell from 0.
struct DecayRange {
  const char *name;
  Fill fill;
};
const DecayRange decayRanges[] = {
    {"NextToOne", uniform(-2e-8, 0)},
    {"Usual", uniform(-1, 0)},
    {"NextToZero", uniform(-80, -10)},
    {"Zero", uniform(-1.1e4, -0.9e4)},
    {"Mixed", oneOf({0, -1e-8, -1e-3, -0.5, -5, -80, -1e4, -INFINITY})}};

struct Member {
  std::string rule;
  bool perKey;
};
const Member members[] = {{"linear", false},      {"gated", false},
                          {"gated", true},        {"delta", false},
                          {"gated_delta", false}, {"gated_delta", true}};

using FormParam = std::tuple<size_t, const char *>;
class ScanForms : public testing::TestWithParam<FormParam> {};
} // namespace

/// One scan of each member that has `form`; the number of the range of decays
/// says which one has which of `types`. States are as exact as `factor` says
/// for float32, or, for another type, as 2 does.
static void addMembers(ModuleText &module, Random &random,
                       const FormParam &param,
                       const std::vector<std::string> &types, int64_t chunk,
                       double factor = 2) {
  size_t number = std::get<0>(param);
  for (const Member &member : members) {
    ScanKind kind;
    kind.rule = member.rule;
    kind.perKey = member.perKey;
    kind.type = types[number++ % types.size()];
    kind.stateType =
        kind.type == "f64" || random.chance(0.5) ? kind.type : "f32";
    kind.heads = random.pick(groupings);
    kind.keyDim = random.pick<int64_t>({5, 16, 24});
    kind.valueDim = random.pick<int64_t>({6, 16, 32});
    kind.decays = decayRanges[std::get<0>(param)].fill;
    kind.sharedBeta = random.chance(0.3);
    kind.form = std::get<1>(param);
    kind.chunk = chunk;
    kind.sequentialBelow = random.pick<int64_t>({0, 2, chunk / 2});
    kind.toleranceFactor = kind.type == "f32" ? factor : 2;
    if (kind.form != "associative" || !kind.isDelta())
      addScan(module, random, kind, "1", "T");
  }
}

TEST_P(ScanForms, AgreeWithTheEvaluator) {
  const int64_t chunk = 48;
  Random random(std::get<0>(GetParam()));
  ModuleText module;
  addMembers(module, random, GetParam(), {"f32", "f16", "bf16"}, chunk);
  std::vector<Sizes> runs;
  for (int64_t steps :
       {int64_t(1), int64_t(2), chunk - 1, chunk, chunk + 1, int64_t(1000)})
    runs.push_back({{"T", steps}});
  checkCompiled(module, runs, getVectorWidth(random.integer(0, 7)), 11);
}

TEST_P(ScanForms, AgreeAfterManySteps) {
  const int64_t steps = 10000;
  Random random(std::get<0>(GetParam()));
  // A factor next to 1 is off by 2^-25, which is more than its difference to 1
  // may be: so many steps with it are off by that much of their state, in
  // every form. Of f64 that is within its tolerance.
  double ofFactors = steps * 0x1p-25 / toleranceOf("f32").ofRow;
  ModuleText module;
  addMembers(module, random, GetParam(), {"f32", "f64"}, 32, 2 + ofFactors);
  checkCompiled(module, {{{"T", steps}}}, getVectorWidths().back(), 12);
}

class ScanHalves : public testing::TestWithParam<const char *> {};

/// In 16 bits only what goes in and out is rounded: the tolerance is that of
/// one rounding, after however many steps. Each member has each type, with
/// another range of decays; those next to 1 are halves then, too.
TEST_P(ScanHalves, AgreeAfterManySteps) {
  Random random(13);
  ModuleText module;
  size_t range = 0;
  for (const Member &member : members)
    for (const char *type : {"f16", "bf16"}) {
      ScanKind kind;
      kind.rule = member.rule;
      kind.perKey = member.perKey;
      kind.type = type;
      kind.stateType = random.chance(0.5) ? kind.type : "f32";
      kind.heads = {1, 1, 1};
      kind.keyDim = random.pick<int64_t>({5, 16});
      kind.valueDim = random.pick<int64_t>({6, 16});
      const DecayRange &decays = decayRanges[range++ % std::size(decayRanges)];
      kind.decays = &decays == decayRanges ? uniform(-1e-3, 0) : decays.fill;
      kind.form = GetParam();
      kind.chunk = 32;
      kind.toleranceFactor = 2;
      if (kind.form != "associative" || !kind.isDelta())
        addScan(module, random, kind, "1", "T");
    }
  checkCompiled(module, {{{"T", 10000}}}, getVectorWidths().back(), 13);
}

INSTANTIATE_TEST_SUITE_P(
    Forms, ScanHalves, testing::Values("sequential", "chunked", "associative"),
    [](const auto &info) { return std::string(info.param); });

INSTANTIATE_TEST_SUITE_P(
    Members, ScanForms,
    testing::Combine(testing::Range<size_t>(0, std::size(decayRanges)),
                     testing::Values("sequential", "chunked", "associative")),
    [](const testing::TestParamInfo<FormParam> &info) {
      return std::string(decayRanges[std::get<0>(info.param)].name) + "_" +
             std::get<1>(info.param);
    });
