//===- OnnxGraph.cpp - random programs of onnx operators ------------------===//

#include "OnnxGraph.h"

using namespace hybrid::test;

std::string hybrid::test::toText(int64_t number) {
  return std::to_string(number);
}

static std::string typeOf(const GraphValue &value) {
  return value.type == "none" ? "none"
                              : ModuleText::tensor(value.dims, value.type);
}

GraphValue OnnxGraph::input(const Dims &dims, const std::string &type,
                            Fill fill) {
  return {module.input(dims, type, fill), dims, type};
}

GraphValue OnnxGraph::constant(int64_t element) {
  GraphValue value{module.fresh(), {}, "i64"};
  module.line(value.name + " = onnx.Constant dense<" + toText(element) +
              "> : tensor<i64>");
  return value;
}

GraphValue OnnxGraph::constant(const std::vector<int64_t> &elements) {
  GraphValue value{module.fresh(), {toText(elements.size())}, "i64"};
  std::vector<std::string> parts;
  for (int64_t element : elements)
    parts.push_back(toText(element));
  module.line(value.name + " = onnx.Constant dense<[" + join(parts) +
              "]> : " + typeOf(value));
  return value;
}

GraphValue OnnxGraph::none() {
  GraphValue value{module.fresh(), {}, "none"};
  module.line(value.name + " = onnx.None : none");
  return value;
}

GraphValue OnnxGraph::node(const std::string &op,
                           const std::vector<GraphValue> &operands,
                           const std::string &attributes, const Dims &dims,
                           const std::string &type) {
  std::vector<GraphValue> results = {{"", dims, type}};
  node(op, operands, attributes, results);
  return results.front();
}

void OnnxGraph::node(const std::string &op,
                     const std::vector<GraphValue> &operands,
                     const std::string &attributes,
                     std::vector<GraphValue> &results) {
  std::vector<std::string> names, types, values, resultTypes;
  for (const GraphValue &operand : operands) {
    values.push_back(operand.name);
    types.push_back(typeOf(operand));
  }
  for (GraphValue &result : results) {
    result.name = module.fresh();
    names.push_back(result.name);
    resultTypes.push_back(typeOf(result));
  }
  module.line(join(names) + " = onnx." + op + "(" + join(values) + ") " +
              (attributes.empty() ? "" : "{" + attributes + "} ") + ": (" +
              join(types) + ") -> (" + join(resultTypes) + ")");
}
