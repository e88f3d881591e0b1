//===- PatternTest.cpp - Large tensors that come by value -----------------===//

#include "ModelFile.h"
#include "gtest/gtest.h"

using namespace hybrid;
using namespace hybrid::test;
using llvm::StringRef;

namespace {
class Pattern : public ::testing::Test {
protected:
  /// Whether a tensor of these floats is an onnx.Constant.
  bool isConstant(const std::vector<int64_t> &dims,
                  const std::vector<float> &elements) {
    StringRef bytes(reinterpret_cast<const char *>(elements.data()),
                    elements.size() * sizeof(float));
    hybrid_onnx::Model model = makeModel();
    hybrid_onnx::Graph &graph = *model.mutable_graph();
    addInitializer(graph, "w", Float, dims, bytes);
    addNode(graph, "Relu", {"w"}, {"y"});
    addOutput(graph, "y", Float, {});
    graph.mutable_output(0)->mutable_type()->mutable_tensor()->clear_shape();
    Imported result = importModel(context, folder, model);
    EXPECT_NE(result.contains("onnx.Constant"),
              result.contains("onnx.Initializer"))
        << result.error();
    return result.contains("onnx.Constant");
  }

  /// Elements that are all different.
  static std::vector<float> count(int64_t size) {
    std::vector<float> elements(size);
    for (int64_t i = 0; i < size; ++i)
      elements[i] = static_cast<float>(i);
    return elements;
  }

  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  TempFolder folder;
};
} // namespace

TEST_F(Pattern, WeightsStayInTheFile) {
  EXPECT_FALSE(isConstant({16, 16}, count(256)));
  // One element is a third number.
  std::vector<float> mask(256, 0.0f);
  mask[7] = 1.0f;
  mask[255] = 2.0f;
  EXPECT_FALSE(isConstant({16, 16}, mask));
}

TEST_F(Pattern, VectorsStayInTheFile) {
  // A scale or a bias before training.
  EXPECT_FALSE(isConstant({256}, std::vector<float>(256, 1.0f)));
}

TEST_F(Pattern, OneNumber) {
  EXPECT_TRUE(isConstant({16, 16}, std::vector<float>(256, 3.0f)));
}

TEST_F(Pattern, TwoNumbers) {
  std::vector<float> identity(256, 0.0f);
  for (int i = 0; i < 16; ++i)
    identity[i * 17] = 1.0f;
  EXPECT_TRUE(isConstant({16, 16}, identity));
}

TEST_F(Pattern, ManyElementsOfTwoNumbersStayInTheFile) {
  std::vector<float> mask(257 * 256, 0.0f);
  mask[1] = 1.0f;
  EXPECT_FALSE(isConstant({257, 256}, mask));
}

TEST_F(Pattern, RowsOfTheSameHalfTwice) {
  std::vector<float> table(256);
  for (int i = 0; i < 256; ++i)
    table[i] = static_cast<float>(i / 16 * 8 + i % 8);
  EXPECT_TRUE(isConstant({1, 16, 16}, table));
  table[255] += 1;
  EXPECT_FALSE(isConstant({1, 16, 16}, table));
}
