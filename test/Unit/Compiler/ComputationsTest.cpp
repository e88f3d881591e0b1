//===- ComputationsTest.cpp - small computations, against their meaning ---===//
//
// Causal convolution, rotary embedding, norms, cache append, running sums,
// routers and products of experts, products with weights in panels and parallel
// branches.
//
//===----------------------------------------------------------------------===//

#include "Differential.h"

#include "gtest/gtest.h"
#include <algorithm>

using namespace hybrid::test;

static std::string text(int64_t number) { return std::to_string(number); }

static std::string pickFloat(Random &random) {
  return random.pick<std::string>({"f32", "f32", "f32", "f16", "bf16", "f64"});
}

static std::string type(const Dims &dims, const std::string &element) {
  return ModuleText::tensor(dims, element);
}

static void addCausalConv(ModuleText &module, Random &random) {
  std::string element = pickFloat(random);
  std::string stateElement = random.chance(0.6) ? element : "f32";
  int64_t width = random.integer(1, 5);
  std::string channels = text(random.pick<int64_t>({1, 3, 16, 37, 64}));
  bool isTimeLast = random.chance(0.5), isSilu = random.chance(0.5);
  Dims input = isTimeLast ? Dims{"B", channels, "T"} : Dims{"B", "T", channels},
       weight = {channels, text(width)},
       stateDims = {"B", channels, text(width - 1)};
  std::string operands =
      join({module.input(input, element), random.chance(0.5)
                                              ? module.weight(weight, element)
                                              : module.input(weight, element)});
  std::string bias;
  if (random.chance(0.5))
    bias = "bias(" + module.input({channels}, element) + " : " +
           type({channels}, element) + ") ";
  bool isInPlace = random.chance(0.6);
  std::string state = isInPlace ? module.state(stateDims, stateElement)
                                : module.input(stateDims, stateElement);
  std::string init = module.empty(input, element), out = module.fresh();
  std::string results =
      type(input, element) + ", " + type(stateDims, stateElement);
  module.line(out + ":2 = hybrid.causal_conv ins(" + operands + " : " +
              type(input, element) + ", " + type(weight, element) + ") " +
              bias + "outs(" + init + ", " + state + " : " + results +
              ") {activation = #hybrid.activation<" +
              (isSilu ? "silu" : "none") + ">, layout = #hybrid.conv_layout<" +
              (isTimeLast ? "bct" : "btc") + ">} -> " + results);
  std::string label = "causal_conv " + results + " " + bias;
  module.result(label, out + "#0", input, element, toleranceOf(element));
  if (isInPlace)
    module.writeState(state, out + "#1", toleranceOf(stateElement));
  else
    module.result(label + " state", out + "#1", stateDims, stateElement,
                  toleranceOf(stateElement));
}

static void addRope(ModuleText &module, Random &random) {
  std::string element = pickFloat(random);
  std::string tableElement = random.chance(0.7) ? element : "f32";
  int64_t pairs = random.pick<int64_t>({1, 4, 8, 11});
  int64_t dim = 2 * pairs + random.pick<int64_t>({0, 0, 1, 6});
  std::string heads = text(random.integer(1, 5));
  bool isHeadFirst = random.chance(0.5), hasPositions = random.chance(0.6);
  Dims input = isHeadFirst ? Dims{"B", heads, "T", text(dim)}
                           : Dims{"B", "T", heads, text(dim)};
  // Tables may have columns that nobody reads.
  std::string columns = text(pairs + random.pick<int64_t>({0, 0, 3}));
  Dims table = hasPositions
                   ? Dims{"64", columns}
                   : Dims{random.chance(0.5) ? "1" : "B", "T", columns};
  std::string operands =
      join({module.input(input, element), module.input(table, tableElement),
            module.input(table, tableElement)});
  std::string clause;
  if (hasPositions) {
    Dims dims = {random.chance(0.5) ? "1" : "B", "T"};
    clause = "positions(" + module.input(dims, "i64", integers(0, 63)) + " : " +
             type(dims, "i64") + ") ";
  }
  std::string init = module.empty(input, element), out = module.fresh();
  module.line(out + " = hybrid.rope ins(" + operands + " : " +
              type(input, element) + ", " + type(table, tableElement) + ", " +
              type(table, tableElement) + ") " + clause + "outs(" + init +
              " : " + type(input, element) +
              ") {rotary_dim = " + text(2 * pairs) + " : i64" +
              (random.chance(0.5) ? ", interleaved" : "") +
              ", layout = #hybrid.layout<" + (isHeadFirst ? "bhtd" : "bthd") +
              ">} -> " + type(input, element));
  module.result("rope " + clause, out, input, element, toleranceOf(element));
}

/// The last dimensions of `dims`, some of which are 1.
static Dims broadcastable(Random &random, const Dims &dims, double one) {
  Dims result(dims.begin() + random.integer(0, dims.size() - 1), dims.end());
  for (std::string &dim : result)
    if (random.chance(one))
      dim = "1";
  return result;
}

static void addNorm(ModuleText &module, Random &random) {
  std::string element = pickFloat(random);
  std::string scaleElement =
      element == "f64" || random.chance(0.6) ? element : "f32";
  int64_t groupSize = 0;
  std::string channels = text(random.pick<int64_t>({1, 5, 16, 33, 64}));
  Dims dims = random.pick<Dims>(
      {{"B", "T", channels}, {"T", channels}, {"B", "T", "3", channels}});
  int64_t axis = dims.size() - 1;
  if (dims.size() == 4 && random.chance(0.4))
    axis = 2;
  else if (random.chance(0.3)) {
    groupSize = random.pick<int64_t>({1, 4, 7});
    dims.back() = text(groupSize * random.integer(1, 5));
  }
  bool isLayer = random.chance(0.4);
  std::string clauses, attributes;
  auto add = [&](const std::string &name) {
    Dims own = random.chance(0.6) ? Dims{dims.back()}
                                  : broadcastable(random, dims, 0.3);
    std::string operand = module.input(own, scaleElement);
    clauses += name + "(" + operand + " : " + type(own, scaleElement) + ") ";
  };
  if (random.chance(0.7)) {
    add("scale");
    if (random.chance(0.3))
      attributes += ", zero_centered";
  }
  if (random.chance(0.4))
    add("bias");
  if (groupSize > 0)
    attributes += ", group_size = " + text(groupSize) + " : i64";
  std::string input = module.input(dims, element, uniform(-3, 3));
  std::string init = module.empty(dims, element), out = module.fresh();
  std::string label = std::string("norm ") + (isLayer ? "layer " : "rms ");
  module.line(out + " = hybrid." + label + "ins(" + input + " : " +
              type(dims, element) + ") " + clauses + "outs(" + init + " : " +
              type(dims, element) + ") {axis = " + text(axis) +
              " : i64, epsilon = " +
              random.pick<std::string>({"1.0e-5", "1.0e-1", "1.0e-12"}) +
              " : f64" + attributes + "} -> " + type(dims, element));
  // Rounded before the scale, and the bias may cancel what is left.
  Tolerance tolerance = toleranceOf(element, 2);
  tolerance.absolute = tolerance.relative + tolerance.ofRow;
  module.result(label + type(dims, element) + " " + clauses + attributes, out,
                dims, element, tolerance);
}

static void addGatedNorm(ModuleText &module, Random &random) {
  std::string element = pickFloat(random);
  std::string scaleElement =
      element == "f64" || random.chance(0.6) ? element : "f32";
  int64_t groupSize = random.pick<int64_t>({0, 0, 1, 8, 11});
  int64_t channels = groupSize > 0 ? groupSize * random.integer(1, 4)
                                   : random.pick<int64_t>({1, 5, 16, 33, 64});
  Dims dims = random.pick<Dims>({{"B", "T", text(channels)},
                                 {"T", text(channels)},
                                 {text(channels)},
                                 {"B", "T", "2", text(channels)}});
  bool isGateFirst = random.chance(0.5);
  std::string operands = join({module.input(dims, element, uniform(-2, 2)),
                               module.input(dims, element, uniform(-4, 4))});
  std::string clause;
  if (random.chance(0.8)) {
    Dims scale = {
        text(groupSize > 0 && random.chance(0.5) ? groupSize : channels)};
    clause = "scale(" + module.input(scale, scaleElement) + " : " +
             type(scale, scaleElement) + ") ";
  }
  std::string init = module.empty(dims, element), out = module.fresh();
  std::string label = std::string("gated_norm ") +
                      (isGateFirst ? "gate_first " : "norm_first ");
  module.line(out + " = hybrid." + label + "ins(" + operands + " : " +
              type(dims, element) + ", " + type(dims, element) + ") " + clause +
              "outs(" + init + " : " + type(dims, element) +
              ") {activation = #hybrid.activation<" +
              random.pick<std::string>({"silu", "sigmoid"}) +
              ">, epsilon = 1.0e-5 : f64, group_size = " + text(groupSize) +
              " : i64} -> " + type(dims, element));
  module.result(label + type(dims, element) + " " + clause, out, dims, element,
                toleranceOf(element));
}

static void addCumSum(ModuleText &module, Random &random) {
  std::string element =
      random.pick<std::string>({"f32", "f16", "bf16", "f64", "i64", "i32"});
  Dims dims = random.pick<Dims>(
      {{"T"}, {"B", "T"}, {"B", "T", "19"}, {"B", "3", "T", "2"}});
  std::string attributes =
      "axis = " + text(random.integer(0, dims.size() - 1)) + " : i64";
  if (random.chance(0.5))
    attributes += ", exclusive";
  if (random.chance(0.5))
    attributes += ", reverse";
  std::string input = module.input(
      dims, element, element[0] == 'i' ? integers(-1000, 1000) : uniform(0, 1));
  std::string init = module.empty(dims, element), out = module.fresh();
  module.line(out + " = hybrid.cumsum ins(" + input + " : " +
              type(dims, element) + ") outs(" + init + " : " +
              type(dims, element) + ") {" + attributes + "} -> " +
              type(dims, element));
  module.result("cumsum " + type(dims, element) + " " + attributes, out, dims,
                element, toleranceOf(element));
}

static void addRoute(ModuleText &module, Random &random) {
  std::string element = pickFloat(random);
  int64_t groups = random.pick<int64_t>({1, 1, 2, 5, 8}),
          size = groups > 1 ? random.integer(2, 8) : random.integer(3, 40);
  std::string experts = text(groups * size),
              chosen = text(random.integer(1, 3));
  Dims logits = {"T", experts}, result = {"T", chosen};
  // Equal ones, too, where nothing rounds them.
  std::string score =
      random.pick<std::string>({"identity", "softmax", "sigmoid"});
  std::string operand = module.input(logits, element,
                                     score == "identity" && random.chance(0.5)
                                         ? oneOf({-1, 0, 0.5, 2})
                                         : uniform(-4, 4));
  std::string bias;
  if (random.chance(0.5))
    bias = "bias(" + module.input({experts}, "f32") + " : " +
           type({experts}, "f32") + ") ";
  std::string weight = random.pick<std::string>({"score", "share", "softmax"});
  // The sum of signed logits may be near 0.
  if (score == "identity" && weight == "share")
    weight = "softmax";
  std::string attributes = "scale = " + std::to_string(random.real(0.5, 3)) +
                           " : f64, weight = #hybrid.route_weight<" + weight +
                           ">";
  if (weight == "share" && random.chance(0.5))
    attributes += ", epsilon = 0.01 : f64";
  if (groups > 1) {
    attributes += ", groups = " + text(groups) +
                  " : i64, chosen_groups = " + text(random.integer(1, groups)) +
                  " : i64, group_best = " +
                  text(random.integer(1, std::min<int64_t>(size, 3))) +
                  " : i64";
    if (random.chance(0.5))
      attributes += ", others = 0.0 : f64";
  }
  std::string numbers = module.empty(result, "i64"),
              weights = module.empty(result, element), out = module.fresh();
  std::string results = type(result, "i64") + ", " + type(result, element);
  module.line(out + ":2 = hybrid.route " + score + " ins(" + operand + " : " +
              type(logits, element) + ") " + bias + "outs(" + numbers + ", " +
              weights + " : " + results + ") {" + attributes + "} -> " +
              results);
  std::string label = "route " + score + " " + bias + attributes;
  module.result(label, out + "#0", result, "i64", toleranceOf("i64"));
  module.result(label + " weights", out + "#1", result, element,
                toleranceOf(element));
}

static void addExpertMatMul(ModuleText &module, Random &random) {
  std::string element = pickFloat(random);
  std::string weightElement =
      element == "f64" || random.chance(0.6) ? element : "f16";
  std::string inner = text(random.pick<int64_t>({1, 7, 16, 40})),
              columns = text(random.pick<int64_t>({1, 5, 16, 23, 64}));
  int64_t experts = random.integer(1, 6), chosen = random.integer(1, 3);
  bool isTransposed = random.chance(0.5);
  std::string rows = "T";
  for (int64_t i = 1; i < chosen; ++i)
    rows += " + T";
  Dims input = {"T", inner}, weight = {text(experts), columns, inner},
       result = {rows, columns}, numbers = {rows};
  if (isTransposed)
    std::swap(weight[1], weight[2]);
  std::string operands =
      join({module.input(input, element),
            random.chance(0.5) ? module.weight(weight, weightElement)
                               : module.input(weight, weightElement)});
  // From the end, and outside of what there is, too.
  std::string which =
      module.input(numbers, "i64", integers(-experts - 2, experts + 2));
  std::string init = module.empty(result, element), out = module.fresh();
  std::string attributes = "chosen = " + text(chosen) + " : i64" +
                           (isTransposed ? ", transposed" : "");
  module.line(out + " = hybrid.expert_matmul ins(" + operands + " : " +
              type(input, element) + ", " + type(weight, weightElement) +
              ") experts(" + which + " : " + type(numbers, "i64") + ") outs(" +
              init + " : " + type(result, element) + ") {" + attributes +
              "} -> " + type(result, element));
  module.result("expert_matmul " + type(weight, weightElement) + " " +
                    attributes,
                out, result, element, toleranceOf(element));
}

/// Around the sizes of register blocks, parts of panels and tiles.
static void addMatmul(ModuleText &module, Random &random) {
  std::string factor = pickFloat(random),
              other = random.chance(0.7) ? factor : pickFloat(random);
  std::string sum = factor == "f64" || other == "f64" ? "f64" : "f32";
  int64_t columns = random.pick<int64_t>({1, 31, 32, 80, 129, 300}),
          panel = random.pick<int64_t>({3, 8, 16, 32, 32});
  std::string length = text(random.pick<int64_t>({1, 7, 64, 255, 700}));
  Dims input = {random.pick<std::string>({"T", "T", "B", "1", "5", "23"}),
                length},
       weight = {text((columns + panel - 1) / panel), length, text(panel)},
       init = {input[0], text(columns)};
  std::string operands =
      join({module.input(input, factor), module.input(weight, other)});
  std::string empty = module.empty(init, sum), out = module.fresh();
  module.line(out + " = hybrid.matmul ins(" + operands + " : " +
              type(input, factor) + ", " + type(weight, other) + ") outs(" +
              empty + " : " + type(init, sum) + ") -> " + type(init, sum));
  module.result("matmul " + type(input, factor) + " " + type(weight, other),
                out, init, sum, toleranceOf(sum, 3));
}

/// Bytes of #hybrid.quantization: integers and zero points of any value, scales
/// between a quarter and one in magnitude. `scalesAt` … `zerosAt` of each
/// block are scales of type `element`.
static Fill quantizedPanels(int64_t scalesAt, int64_t zerosAt,
                            const std::string &element, int64_t bits) {
  return [=](Random &random, hybrid::RefTensor &tensor) {
    int64_t bytes = tensor.shape.back(), size = getElementBytes(element);
    // The highest bytes of 0.25 in each format, with either sign.
    int64_t highest = element == "f16" ? 0x34 : 0x3e;
    for (size_t i = 0; i < tensor.data.size(); ++i) {
      int64_t at = i % bytes, inScale = (at - scalesAt) % size;
      bool isScale = at >= scalesAt && at < zerosAt;
      tensor.data[i] = random.integer(-128, 127);
      if (at >= zerosAt && bits == 4)
        tensor.data[i] = random.integer(0, 15);
      if (isScale && inScale == size - 1)
        tensor.data[i] = random.chance(0.5) ? highest : highest - 128;
      // The lowest bit of the exponent.
      if (isScale && inScale == size - 2 && element != "f16")
        tensor.data[i] = random.integer(-128, -1);
    }
  };
}

/// Quantised weights, around the sizes of blocks, panels and register blocks.
static void addQuantizedMatmul(ModuleText &module, Random &random) {
  std::string factor = random.pick<std::string>({"f32", "f32", "f16", "bf16"}),
              scale = random.pick<std::string>({"f16", "f32", "bf16"});
  int64_t bits = random.pick<int64_t>({4, 8}),
          block = random.pick<int64_t>({16, 32, 32, 64, 128}),
          panel = random.pick<int64_t>({4, 16, 32, 32}),
          columns = random.pick<int64_t>({1, 31, 32, 80, 129, 300}),
          length = random.pick<int64_t>({1, 7, 64, 255, 700});
  bool hasZeros = random.chance(0.5);
  int64_t scalesAt = panel * block * bits / 8,
          zerosAt = scalesAt + panel * getElementBytes(scale);
  Dims input = {random.pick<std::string>({"T", "T", "B", "1", "5", "23"}),
                text(length)},
       weight = {text((columns + panel - 1) / panel),
                 text((length + block - 1) / block),
                 text(zerosAt + (hasZeros ? panel : 0))},
       init = {input[0], text(columns)};
  std::string operands =
      join({module.input(input, factor),
            module.input(weight, "i8",
                         quantizedPanels(scalesAt, zerosAt, scale, bits))});
  std::string empty = module.empty(init, "f32"), out = module.fresh();
  std::string form = "#hybrid.quantization<bits = " + text(bits) +
                     ", block = " + text(block) + ", scale = " + scale +
                     ", zero_points = " + (hasZeros ? "true" : "false") + ">";
  module.line(out + " = hybrid.matmul ins(" + operands + " : " +
              type(input, factor) + ", " + type(weight, "i8") + ") outs(" +
              empty + " : " + type(init, "f32") + ") {quantization = " + form +
              "} -> " + type(init, "f32"));
  module.result("matmul " + type(input, factor) + " " + form, out, init, "f32",
                toleranceOf("f32", 3));
}

static void addCacheAppend(ModuleText &module, Random &random) {
  std::string element = pickFloat(random), heads = text(random.integer(1, 4)),
              dim = text(random.pick<int64_t>({1, 7, 16}));
  bool isHeadFirst = random.chance(0.5), isInPlace = random.chance(0.6);
  Dims input =
      isHeadFirst ? Dims{"B", heads, "T", dim} : Dims{"B", "T", heads, dim};
  // A ring is smaller than what is appended.
  bool isRing = random.chance(0.4);
  int64_t sinks = random.pick<int64_t>({0, 0, 1, 5});
  std::string slots = text(sinks + random.pick<int64_t>({1, 8, 50}));
  Dims cache = {"B", heads, isRing ? slots : "360", dim};
  std::string fresh = module.input(input, element);
  std::string old =
      isInPlace ? module.state(cache, element) : module.input(cache, element);
  std::string clause;
  if (random.chance(0.5))
    clause = "positions(" + module.input({"B"}, "i64", integers(0, 20)) +
             " : " + type({"B"}, "i64") + ") ";
  std::string out = module.fresh();
  module.line(
      out + " = hybrid.cache_append ins(" + fresh + " : " +
      type(input, element) + ") at(" + module.size("P") + ") " + clause +
      "outs(" + old + " : " + type(cache, element) +
      ") {layout = #hybrid.layout<" + (isHeadFirst ? "bhtd" : "bthd") + ">" +
      (isRing ? ", ring, sink_prefix = " + text(sinks) + " : i64" : "") +
      "} -> " + type(cache, element));
  if (isInPlace)
    module.writeState(old, out, {});
  else
    module.result("cache_append " + clause + type(input, element), out, cache,
                  element, {});
}

static void addRingRead(ModuleText &module, Random &random) {
  std::string element = pickFloat(random), heads = text(random.integer(1, 4)),
              dim = text(random.pick<int64_t>({1, 7, 16}));
  bool isHeadFirst = random.chance(0.5);
  int64_t sinks = random.pick<int64_t>({0, 0, 1, 5}),
          slots = sinks + random.pick<int64_t>({1, 8, 50});
  Dims input =
      isHeadFirst ? Dims{"B", heads, "T", dim} : Dims{"B", "T", heads, dim};
  Dims ring = {"B", heads, text(slots), dim},
       all = {"B", heads, "T + " + text(slots), dim};
  std::string fresh = module.input(input, element),
              old = module.input(ring, element),
              positions = module.input({"B"}, "i64", integers(0, 60)),
              init = module.empty(all, element), out = module.fresh();
  module.line(out + " = hybrid.ring_read ins(" + old + ", " + fresh + " : " +
              type(ring, element) + ", " + type(input, element) +
              ") positions(" + positions + " : " + type({"B"}, "i64") +
              ") outs(" + init + " : " + type(all, element) +
              ") {layout = #hybrid.layout<" + (isHeadFirst ? "bhtd" : "bthd") +
              ">, sink_prefix = " + text(sinks) + " : i64} -> " +
              type(all, element));
  module.result("ring_read " + type(input, element), out, all, element, {});
}

static void addParallel(ModuleText &module, Random &random) {
  std::string element = pickFloat(random);
  std::string combine =
      random.pick<std::string>({"add", "sub", "mean", "concat", "weighted"});
  int64_t numBranches = random.integer(2, 4), width = 0;
  std::string dim = text(random.pick<int64_t>({1, 12, 33}));
  std::vector<std::string> weights, weightTypes, branches;
  for (int64_t i = 0; i < numBranches; ++i) {
    int64_t own = combine == "concat" ? random.pick<int64_t>({1, 5, 16})
                                      : std::stoll(dim);
    width += own;
    Dims dims = {"B", "T", text(own)};
    std::string value = module.input(dims, element), branch;
    // Some branches compute, others are what is there.
    if (random.chance(0.7)) {
      std::string init = module.empty(dims, element), out = module.fresh();
      branch = out + " = hybrid.norm rms ins(" + value + " : " +
               type(dims, element) + ") outs(" + init + " : " +
               type(dims, element) +
               ") {axis = 2 : i64, epsilon = 1.0e-5 : f64} -> " +
               type(dims, element) + "\n    ";
      value = out;
    }
    branches.push_back("{\n    " + branch + "hybrid.yield " + value + " : " +
                       type(dims, element) + "\n  }");
    if (combine != "weighted")
      continue;
    Dims weight = random.pick<Dims>({{}, {dim}, {"1"}});
    weights.push_back(module.input(weight, element));
    weightTypes.push_back(type(weight, element));
  }
  std::string clause;
  if (!weights.empty())
    clause = "weights(" + join(weights) + " : " + join(weightTypes) + ") ";
  Dims result = {"B", "T", combine == "concat" ? text(width) : dim};
  std::string out = module.fresh();
  module.line(out + " = hybrid.parallel " + combine + " " + clause +
              join(branches) + " : " + type(result, element));
  // Branches are of magnitude 1, may be rounded, and cancel each other.
  Tolerance tolerance = toleranceOf(element);
  tolerance.absolute = tolerance.relative + tolerance.ofRow;
  module.result("parallel " + combine + " " + type(result, element), out,
                result, element, tolerance);
}

using Add = void (*)(ModuleText &, Random &);

class Computations : public testing::TestWithParam<
                         std::tuple<std::pair<const char *, Add>, uint64_t>> {};

TEST_P(Computations, AnyLength) {
  auto [computation, seed] = GetParam();
  Random random(seed);
  ModuleText module;
  for (int i = 0; i < 10; ++i)
    computation.second(module, random);
  checkCompiled(module,
                {{{"B", 2}, {"T", 5}, {"P", 3}},
                 {{"B", 2}, {"T", 1}, {"P", 0}},
                 {{"B", 1}, {"T", 67}, {"P", 270}},
                 {{"B", 1}, {"T", 0}, {"P", 8}},
                 {{"B", 1}, {"T", 300}, {"P", 40}},
                 {{"B", 5}, {"T", 2}, {"P", 337}}},
                getVectorWidth(seed), seed);
}

INSTANTIATE_TEST_SUITE_P(
    All, Computations,
    testing::Combine(
        testing::Values(std::pair("CausalConv", addCausalConv),
                        std::pair("Rope", addRope), std::pair("Norm", addNorm),
                        std::pair("GatedNorm", addGatedNorm),
                        std::pair("CumSum", addCumSum),
                        std::pair("Route", addRoute),
                        std::pair("ExpertMatMul", addExpertMatMul),
                        std::pair("Matmul", addMatmul),
                        std::pair("QuantizedMatmul", addQuantizedMatmul),
                        std::pair("CacheAppend", addCacheAppend),
                        std::pair("RingRead", addRingRead),
                        std::pair("Parallel", addParallel)),
        testing::Range<uint64_t>(1, 4)),
    [](const auto &info) {
      return std::string(std::get<0>(info.param).first) +
             text(std::get<1>(info.param));
    });
