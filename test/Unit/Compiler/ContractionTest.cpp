//===- ContractionTest.cpp - matrix products, against their meaning -------===//

#include "Differential.h"
#include "OnnxGraph.h"

#include "gtest/gtest.h"

using namespace hybrid::test;

namespace {
/// Adds random products to a graph.
class Products {
public:
  explicit Products(uint64_t seed) : random(seed) {}

  void add();

  OnnxGraph graph;

private:
  std::string pickType() {
    return random.pick<std::string>(
        {"f32", "f32", "f32", "f16", "bf16", "f64"});
  }
  /// Around the widths of vectors and the sizes of tiles.
  std::string pickSize(int64_t largest) {
    return toText(std::min(
        largest,
        random.pick<int64_t>({1,  2,  3,  7,  8,  15, 16,  17,  31,  32,
                              33, 48, 63, 64, 65, 96, 100, 128, 129, 257})));
  }
  void addRowsTimesWeight();
  void addHeads();
  void addGemm();
  void addEinsum();
  void addVectors();
  void addIntegers();
  /// What follows a product in models, in the same kernel.
  GraphValue addEpilogue(GraphValue value, std::string &label);
  void finish(std::string label, GraphValue value);

  Random random;
};
} // namespace

void Products::add() {
  using Add = void (Products::*)();
  Add add = random.pick<Add>(
      {&Products::addRowsTimesWeight, &Products::addRowsTimesWeight,
       &Products::addHeads, &Products::addGemm, &Products::addEinsum,
       &Products::addVectors, &Products::addIntegers});
  (this->*add)();
}

void Products::finish(std::string label, GraphValue value) {
  // What follows acts on a rounded product; the coarsest type decides.
  Tolerance tolerance = toleranceOf(value.type, 3);
  for (int i = random.integer(0, 2); i > 0 && value.isFloat(); --i) {
    value = addEpilogue(value, label);
    Tolerance next = toleranceOf(value.type, 3);
    tolerance.relative = std::max(tolerance.relative, next.relative);
    tolerance.ofRow = std::max(tolerance.ofRow, next.ofRow);
  }
  tolerance.ofRow += tolerance.relative;
  graph.result(label + " " + ModuleText::tensor(value.dims, value.type), value,
               tolerance);
}

GraphValue Products::addEpilogue(GraphValue value, std::string &label) {
  auto unary = [&](const std::string &op, const std::string &attributes = "") {
    label += " " + op;
    return graph.node(op, {value}, attributes, value.dims, value.type);
  };
  switch (random.integer(0, 5)) {
  case 0:
    return unary("Relu");
  case 1: {
    GraphValue gate = unary("Sigmoid");
    return graph.node("Mul", {value, gate}, "", value.dims, value.type);
  }
  case 2:
    return unary("Tanh");
  case 3: {
    label += " bias";
    Dims dims = value.dims.empty() ? Dims{} : Dims{value.dims.back()};
    GraphValue bias = graph.input(dims, value.type);
    return graph.node("Add", {value, bias}, "", value.dims, value.type);
  }
  case 4: {
    label += " residual";
    GraphValue other = graph.input(value.dims, value.type);
    return graph.node(random.pick<std::string>({"Add", "Sub", "Mul"}),
                      {other, value}, "", value.dims, value.type);
  }
  default:
    label += " Cast";
    // Halves of large products may be infinite.
    std::string type = value.type == "f32" ? "bf16" : "f32";
    return graph.node("Cast", {value},
                      type == "f32" ? "to = 1 : i64" : "to = 16 : i64",
                      value.dims, type);
  }
}

void Products::addRowsTimesWeight() {
  std::string type = pickType(), inner = pickSize(257), columns = pickSize(257);
  Dims rows = random.pick<Dims>({{"B", "T"}, {"T"}, {"B", "3"}, {"5"}, {"1"}});
  Dims left = rows, result = rows;
  left.push_back(inner);
  result.push_back(columns);
  GraphValue x = graph.input(left, type);
  // Weights of linear layers are stored [out, in] as often as [in, out].
  bool isTransposed = random.chance(0.4);
  Dims dims = isTransposed ? Dims{columns, inner} : Dims{inner, columns};
  GraphValue w = graph.input(dims, type);
  if (isTransposed)
    w = graph.node("Transpose", {w}, "perm = array<i64: 1, 0>",
                   {inner, columns}, type);
  finish(isTransposed ? "rows times transposed weight" : "rows times weight",
         graph.node("MatMul", {x, w}, "", result, type));
}

/// Batched over heads, as scores and their values are.
void Products::addHeads() {
  std::string type = pickType(), heads = toText(random.integer(1, 3)),
              inner = pickSize(65);
  std::string columns = random.chance(0.5) ? "T" : pickSize(65);
  bool broadcasts = random.chance(0.3);
  Dims left = {"B", heads, "T", inner},
       right = {"B", broadcasts ? "1" : heads, inner, columns};
  GraphValue x = graph.input(left, type), y;
  bool isTransposed = random.chance(0.5);
  if (isTransposed) {
    y = graph.input({right[0], right[1], columns, inner}, type);
    y = graph.node("Transpose", {y}, "perm = array<i64: 0, 1, 3, 2>", right,
                   type);
  } else {
    y = graph.input(right, type);
  }
  // Heads may be the inner of two dimensions.
  if (random.chance(0.3)) {
    x = graph.input({"B", "T", heads, inner}, type);
    x = graph.node("Transpose", {x}, "perm = array<i64: 0, 2, 1, 3>", left,
                   type);
  }
  finish("heads",
         graph.node("MatMul", {x, y}, "", {"B", heads, "T", columns}, type));
}

void Products::addGemm() {
  std::string type = pickType(), inner = pickSize(129), columns = pickSize(129);
  bool transA = random.chance(0.5), transB = random.chance(0.5);
  std::vector<GraphValue> operands = {
      graph.input(transA ? Dims{inner, "T"} : Dims{"T", inner}, type),
      graph.input(transB ? Dims{columns, inner} : Dims{inner, columns}, type)};
  operands.push_back(
      random.chance(0.4)
          ? graph.none()
          : graph.input(
                random.pick<Dims>({{columns}, {"T", columns}, {"T", "1"}, {}}),
                type));
  finish("Gemm",
         graph.node("Gemm", operands,
                    "alpha = " + std::to_string(random.real(0.5, 2)) +
                        " : f32, beta = " + std::to_string(random.real(-1, 1)) +
                        " : f32, transA = " + toText(transA) +
                        " : i64, transB = " + toText(transB) + " : i64",
                    {"T", columns}, type));
}

void Products::addEinsum() {
  std::string type = pickType();
  struct Form {
    std::string equation;
    Dims left, right, result;
  };
  std::string k = pickSize(40), n = pickSize(40), h = "3";
  Form form = random.pick<Form>(
      {{"bthd,bshd->bhts", {"B", "T", h, k}, {"B", n, h, k}, {"B", h, "T", n}},
       {"bhts,bshd->bthd", {"B", h, "T", k}, {"B", k, h, n}, {"B", "T", h, n}},
       {"bchn,bchp->bhnp", {"B", "T", h, k}, {"B", "T", h, n}, {"B", h, k, n}},
       {"ij,kj->ki", {"T", k}, {n, k}, {n, "T"}},
       {"ij,jk->ki", {"T", k}, {k, n}, {n, "T"}},
       {"ab,cb->", {"T", k}, {n, k}, {}},
       {"bt,btd->bd", {"B", "T"}, {"B", "T", n}, {"B", n}},
       {"bti,bio->bto", {"B", "T", k}, {"B", k, n}, {"B", "T", n}}});
  finish(
      "Einsum " + form.equation,
      graph.node("Einsum",
                 {graph.input(form.left, type), graph.input(form.right, type)},
                 "equation = \"" + form.equation + "\"", form.result, type));
}

void Products::addVectors() {
  std::string type = pickType(), k = random.chance(0.3) ? "T" : pickSize(257),
              n = pickSize(100);
  struct Form {
    Dims left, right, result;
  };
  Form form = random.pick<Form>({{{k}, {k}, {}},
                                 {{k}, {k, n}, {n}},
                                 {{n, k}, {k}, {n}},
                                 {{"B", "T", n}, {n}, {"B", "T"}},
                                 {{n}, {"B", n, "T"}, {"B", "T"}}});
  finish("vectors", graph.node("MatMul",
                               {graph.input(form.left, type),
                                graph.input(form.right, type)},
                               "", form.result, type));
}

void Products::addIntegers() {
  std::string type = random.pick<std::string>({"i32", "i64"}),
              inner = pickSize(65), columns = pickSize(65);
  GraphValue x = graph.input({"B", "T", inner}, type, integers(-100, 100)),
             y = graph.input({inner, columns}, type, integers(-100, 100));
  finish("integers",
         graph.node("MatMul", {x, y}, "", {"B", "T", columns}, type));
}

class Contraction
    : public testing::TestWithParam<std::tuple<unsigned, uint64_t>> {};

TEST_P(Contraction, AnyLength) {
  auto [bits, seed] = GetParam();
  Products products(seed);
  for (int i = 0; i < 12; ++i)
    products.add();
  checkCompiled(products.graph.module,
                {{{"B", 2}, {"T", 5}},
                 {{"B", 1}, {"T", 1}},
                 {{"B", 1}, {"T", 131}},
                 {{"B", 3}, {"T", 8}},
                 {{"B", 1}, {"T", 0}},
                 {{"B", 1}, {"T", 17}}},
                bits, seed);
}

INSTANTIATE_TEST_SUITE_P(All, Contraction,
                         testing::Combine(testing::ValuesIn(getVectorWidths()),
                                          testing::Range<uint64_t>(1, 9)),
                         [](const auto &info) {
                           return "Bits" +
                                  std::to_string(std::get<0>(info.param)) +
                                  "Seed" +
                                  std::to_string(std::get<1>(info.param));
                         });
