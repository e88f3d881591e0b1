//===- AttentionTest.cpp - attention lowered, against its meaning ---------===//

#include "Differential.h"

#include "gtest/gtest.h"
#include <cmath>

using namespace hybrid::test;

namespace {
/// The sizes that a module's instances share. Queries are [B, ·, T, ·], of
/// P + T visible keys.
struct Shared {
  std::string batch = "B", time = "T", past = "P";
  /// Positions that key and value have room for.
  std::string capacity;
  std::string length() const { return past + " + " + time; }
};
} // namespace

static Dims heads(Random &random, bool isHeadFirst, const std::string &batch,
                  const std::string &numHeads, const std::string &time,
                  const std::string &dim) {
  return isHeadFirst ? Dims{batch, numHeads, time, dim}
                     : Dims{batch, time, numHeads, dim};
}

/// Operand, type and clause of a random mask; empty without one.
static std::string addMask(ModuleText &module, Random &random,
                           const Shared &shared, const std::string &numHeads,
                           const std::string &type) {
  // The last size is the one that does not broadcast: what lies behind it is
  // not visible.
  Dims dims = {
      shared.batch, numHeads, shared.time,
      random.pick<std::string>({shared.length(), shared.length(), "M", "1"})};
  for (int i = 0; i < 3; ++i)
    if (random.chance(0.4))
      dims[i] = "1";
  dims.erase(dims.begin(), dims.begin() + random.integer(0, 3));
  bool isBool = random.chance(0.5);
  // Where few are true, rows without any occur.
  Fill fill = isBool ? booleans(random.pick<double>({0.1, 0.5, 0.9}))
                     : oneOf({0, 0, 0.5, -1, -3, 2, -INFINITY});
  std::string maskType = isBool                                ? "i1"
                         : random.chance(0.3) && type != "f64" ? "f32"
                                                               : type;
  std::string mask = module.input(dims, maskType, fill);
  return "mask(" + mask + " : " + ModuleText::tensor(dims, maskType) + ") ";
}

static std::string addAttributes(Random &random, std::string &label) {
  std::string text;
  auto add = [&](const std::string &name, const std::string &value) {
    text += (text.empty() ? "" : ", ") + name;
    label += " " + name;
    if (value.empty())
      return;
    text += " = " + value;
    label += "=" + value;
  };
  add("scale", std::to_string(random.real(0.05, 1)) + " : f64");
  if (random.chance(0.6))
    add("causal", "");
  if (random.chance(0.3))
    add("softcap", std::to_string(random.real(0.5, 30)) + " : f64");
  if (random.chance(0.4)) {
    add("window_left", std::to_string(random.integer(0, 12)) + " : i64");
    if (random.chance(0.4))
      add("sink_prefix", std::to_string(random.integer(1, 5)) + " : i64");
  }
  if (random.chance(0.2))
    add("window_right", std::to_string(random.integer(0, 5)) + " : i64");
  return text;
}

static void addAttention(ModuleText &module, Random &random,
                         const Shared &shared) {
  std::string type = random.pick<std::string>(
      {"f32", "f32", "f32", "f16", "f16", "bf16", "f64"});
  int64_t kvHeads = random.integer(1, 3), group = random.integer(1, 4);
  auto pickDim = [&] {
    return std::to_string(random.pick<int64_t>({1, 3, 8, 16, 20, 33}));
  };
  std::string queryHeads = std::to_string(kvHeads * group),
              keyHeads = std::to_string(kvHeads), keyDim = pickDim(),
              valueDim = random.chance(0.5) ? keyDim : pickDim();
  bool isQueryBHTD = random.chance(0.5), isKeyBHTD = random.chance(0.5);
  Dims query = heads(random, isQueryBHTD, shared.batch, queryHeads, shared.time,
                     keyDim),
       key = heads(random, isKeyBHTD, shared.batch, keyHeads, shared.capacity,
                   keyDim),
       value = key, result = query;
  value[3] = result[3] = valueDim;

  std::string label =
      "attention " + type + " " + queryHeads + "/" + keyHeads + " heads";
  std::string operands[] = {module.input(query, type, uniform(-2, 2)),
                            module.input(key, type, uniform(-2, 2)),
                            module.input(value, type)};
  std::string clauses;
  if (random.chance(0.4)) {
    clauses += addMask(module, random, shared, queryHeads, type);
    label += " " + clauses;
  }
  if (random.chance(0.3)) {
    std::string sinks = module.input({queryHeads}, type, uniform(-3, 3));
    clauses += "sinks(" + sinks + " : " +
               ModuleText::tensor({queryHeads}, type) + ") ";
    label += " sinks";
  }
  bool hasSinks = clauses.find("sinks(") != std::string::npos;
  bool hasLengths = random.chance(0.25);
  if (hasLengths) {
    // Shorter than the queries, too, and longer than what is there.
    std::string lengths = module.input({shared.batch}, "i64", integers(0, 24));
    clauses += "lengths(" + lengths + " : " +
               ModuleText::tensor({shared.batch}, "i64") + ") ";
    label += " lengths";
  }
  std::string offset = module.size(hasLengths ? "0" : shared.past);
  std::string attributes = addAttributes(random, label);
  if (!hasSinks && !hasLengths && random.chance(0.5)) {
    attributes += ", empty_is_mean";
    label += " empty_is_mean";
  }
  if (!isQueryBHTD)
    attributes += ", q_layout = #hybrid.layout<bthd>";
  if (!isKeyBHTD)
    attributes += ", kv_layout = #hybrid.layout<bthd>";

  std::string init = module.empty(result, type), out = module.fresh();
  std::string resultType = ModuleText::tensor(result, type);
  module.line(
      out + " = hybrid.attention ins(" + operands[0] + ", " + operands[1] +
      ", " + operands[2] + " : " + ModuleText::tensor(query, type) + ", " +
      ModuleText::tensor(key, type) + ", " + ModuleText::tensor(value, type) +
      ") " + clauses + "kv_length(" + module.size(shared.length()) +
      ") q_offset(" + offset + ") outs(" + init + " : " + resultType + ") {" +
      attributes + "} -> " + resultType);
  module.result(label, out, result, type, toleranceOf(type));
}

class Attention : public testing::TestWithParam<uint64_t> {};

TEST_P(Attention, AnyLength) {
  Random random(GetParam());
  ModuleText module;
  Shared shared;
  shared.capacity = random.pick<std::string>({"48", "K", "P + T"});
  for (int i = 0; i < 10; ++i)
    addAttention(module, random, shared);
  checkCompiled(module,
                {{{"B", 2}, {"T", 7}, {"P", 5}, {"M", 9}, {"K", 13}},
                 {{"B", 1}, {"T", 1}, {"P", 0}, {"M", 1}, {"K", 1}},
                 {{"B", 3}, {"T", 1}, {"P", 33}, {"M", 34}, {"K", 48}},
                 {{"B", 1}, {"T", 16}, {"P", 32}, {"M", 3}, {"K", 48}},
                 {{"B", 1}, {"T", 33}, {"P", 2}, {"M", 40}, {"K", 40}},
                 {{"B", 2}, {"T", 0}, {"P", 4}, {"M", 2}, {"K", 7}}},
                getVectorWidth(GetParam()), GetParam());
}

TEST_P(Attention, OneToken) {
  Random random(GetParam());
  ModuleText module;
  Shared shared{"B", "1", "P", "300"};
  for (int i = 0; i < 8; ++i)
    addAttention(module, random, shared);
  checkCompiled(module,
                {{{"B", 1}, {"P", 0}, {"M", 1}},
                 {{"B", 2}, {"P", 31}, {"M", 7}},
                 {{"B", 1}, {"P", 299}, {"M", 300}}},
                getVectorWidth(GetParam()), GetParam());
}

INSTANTIATE_TEST_SUITE_P(Seeds, Attention, testing::Range<uint64_t>(1, 7));

TEST(AttentionLong, ManyTokens) {
  Random random(7);
  ModuleText module;
  for (int i = 0; i < 4; ++i)
    addAttention(module, random, {"1", "T", "P", "T + P"});
  checkCompiled(
      module,
      {{{"T", 300}, {"P", 0}, {"M", 290}}, {{"T", 65}, {"P", 130}, {"M", 195}}},
      getVectorWidths().back(), 7);
}
