//===- LayersTest.cpp - which layer a launch belongs to -------------------===//

#include "hybrid/Schedule/Layers.h"
#include "Module.h"

#include "gtest/gtest.h"

using namespace hybrid;
using namespace hybrid::test;

TEST(LayersTest, NamesThatStateALayer) {
  for (auto [name, layer] : std::initializer_list<std::pair<const char *, int>>{
           {"model.layers.12.mlp.up_proj.weight", 12},
           {"/model/layers.3/conv/Transpose_1", 3},
           {"model/layers.0/mamba/Add_node_28", 0},
           {"l7.m.in", 7},
           {"layer_2/x", 2},
           {"n1.0.weight", 0},
           {"m.0.layers.5.x", 5},
           {"blocks/8/up", 8},
           {"past_key.1.0", 1},
           {"model.layers.4.experts.9.up", 4}})
    EXPECT_EQ(parseLayer(name), std::optional<int64_t>(layer)) << name;
  for (const char *name : {"", "lm_head", "n44_RMSNormalization", "node_mul_14",
                           "val_6", "const_1e-06_f32", "norm2.weight", "h",
                           "RMSNormalization:rms_32", "model.99999999.x"})
    EXPECT_EQ(parseLayer(name), std::nullopt) << name;
}

TEST(LayersTest, LaunchesWithoutANameGoWithTheirData) {
  Module module(R"(
    func.func @main(%p: tensor<4xf32>) -> tensor<4xf32> {
      %o = tensor.empty() : tensor<4xf32>
      %e = hybrid.weight "embed" from "m.onnx"[0, 16] : tensor<4xf32>
      %n = hybrid.weight "norm_a" from "m.onnx"[16, 16] : tensor<4xf32>
      %w0 = hybrid.weight "layers.0.w" from "m.onnx"[32, 16] : tensor<4xf32>
      %w1 = hybrid.weight "layers.1.w" from "m.onnx"[48, 16] : tensor<4xf32>
      %h = hybrid.weight "lm_head" from "m.onnx"[64, 16] : tensor<4xf32>
      %positions = hybrid.launch @k ins(%p, %p : tensor<4xf32>, tensor<4xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
      %embedding = hybrid.launch @k ins(%p, %e : tensor<4xf32>, tensor<4xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
      %norm0 = hybrid.launch @k ins(%embedding, %n : tensor<4xf32>, tensor<4xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
      %up0 = hybrid.launch @k ins(%norm0, %w0 : tensor<4xf32>, tensor<4xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
      %mixed0 = hybrid.launch @k ins(%up0, %positions : tensor<4xf32>, tensor<4xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
      %sum0 = hybrid.launch @k ins(%mixed0, %embedding : tensor<4xf32>, tensor<4xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
      %norm1 = hybrid.launch @k ins(%sum0, %n : tensor<4xf32>, tensor<4xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
      %up1 = hybrid.launch @k ins(%norm1, %w1 : tensor<4xf32>, tensor<4xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
      %mixed1 = hybrid.launch @k ins(%up1, %positions : tensor<4xf32>, tensor<4xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
      %named = hybrid.launch @k ins(%mixed1, %sum0 : tensor<4xf32>, tensor<4xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32> loc("/model/layers.2/Add")
      %logits = hybrid.launch @k ins(%named, %h : tensor<4xf32>, tensor<4xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
      return %logits : tensor<4xf32>
    }
    func.func private @k(%a: tensor<4xf32>, %b: tensor<4xf32>, %o: tensor<4xf32> {hybrid.writeonly}) -> tensor<4xf32> attributes {hybrid.kernel} {
      return %o : tensor<4xf32>
    })");
  auto layers = getLayers(module.getFunction("main"));
  std::vector<std::string> names;
  for (LaunchOp launch : module.getLaunches())
    names.push_back(layers[launch]);
  EXPECT_EQ(names,
            (std::vector<std::string>{"shared", "embedding", "0", "0", "0", "0",
                                      "1", "1", "1", "2", "head"}));
}
