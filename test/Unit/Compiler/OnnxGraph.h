//===- OnnxGraph.h - random programs of onnx operators ----------*- C++ -*-===//
//
// The forms of level 2 that only the conversion from ONNX makes (contractions,
// elementwise, reductions, gathers, scatters, views) are tested from graphs, so
// that they are the ones that the conversion makes today.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_TEST_UNIT_COMPILER_ONNXGRAPH_H
#define HYBRID_TEST_UNIT_COMPILER_ONNXGRAPH_H

#include "ModuleText.h"

namespace hybrid::test {

/// A value of a graph.
struct GraphValue {
  std::string name;
  Dims dims;
  std::string type;

  size_t rank() const { return dims.size(); }
  bool isFloat() const { return type[0] != 'i'; }
};

/// Appends onnx nodes to a module.
class OnnxGraph {
public:
  ModuleText module{ModuleText::Level::ONNX};

  GraphValue input(const Dims &dims, const std::string &type,
                   Fill fill = uniform());
  /// int64 elements: a scalar, or a vector.
  GraphValue constant(int64_t element);
  GraphValue constant(const std::vector<int64_t> &elements);
  /// An absent optional input.
  GraphValue none();
  /// A node with one result; `attributes` as in {…}.
  GraphValue node(const std::string &op,
                  const std::vector<GraphValue> &operands,
                  const std::string &attributes, const Dims &dims,
                  const std::string &type);
  /// Several results; only dims and types of `results` matter.
  void node(const std::string &op, const std::vector<GraphValue> &operands,
            const std::string &attributes, std::vector<GraphValue> &results);
  void result(const std::string &label, const GraphValue &value,
              Tolerance tolerance) {
    module.result(label, value.name, value.dims, value.type, tolerance);
  }
};

std::string toText(int64_t number);

} // namespace hybrid::test

#endif // HYBRID_TEST_UNIT_COMPILER_ONNXGRAPH_H
