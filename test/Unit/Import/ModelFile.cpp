//===- ModelFile.cpp - ONNX files made by tests ---------------------------===//

#include "ModelFile.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace hybrid;
using namespace hybrid::test;

TempFolder::TempFolder() {
  llvm::SmallString<128> name;
  if (llvm::sys::fs::createUniqueDirectory("hybrid-import", name))
    llvm::report_fatal_error("cannot make a temporary folder");
  folder = std::string(name);
}

TempFolder::~TempFolder() { llvm::sys::fs::remove_directories(folder); }

std::string TempFolder::path(llvm::StringRef name) const {
  llvm::SmallString<128> result(folder);
  llvm::sys::path::append(result, name);
  return std::string(result);
}

void TempFolder::write(llvm::StringRef name, llvm::StringRef bytes) const {
  std::error_code error;
  llvm::raw_fd_ostream os(path(name), error);
  if (error)
    llvm::report_fatal_error("cannot write a test file");
  os << bytes;
}

hybrid_onnx::Model test::makeModel() {
  hybrid_onnx::Model model;
  model.set_ir_version(10);
  model.add_opset_import()->set_version(21);
  model.mutable_graph()->set_name("test");
  return model;
}

hybrid_onnx::Node *test::addNode(hybrid_onnx::Graph &graph, llvm::StringRef op,
                                 const std::vector<std::string> &inputs,
                                 const std::vector<std::string> &outputs) {
  hybrid_onnx::Node *node = graph.add_node();
  node->set_op_type(op.str());
  for (const std::string &name : inputs)
    node->add_input(name);
  for (const std::string &name : outputs)
    node->add_output(name);
  return node;
}

void test::setType(hybrid_onnx::ValueInfo &value, llvm::StringRef name,
                   DataType type, const std::vector<std::string> &dims) {
  value.set_name(name.str());
  auto *tensor = value.mutable_type()->mutable_tensor();
  tensor->set_elem_type(type);
  tensor->mutable_shape();
  for (const std::string &text : dims) {
    auto *dim = tensor->mutable_shape()->add_dim();
    int64_t number;
    if (llvm::StringRef(text).getAsInteger(10, number))
      dim->set_param(text);
    else
      dim->set_value(number);
  }
}

void test::addInput(hybrid_onnx::Graph &graph, llvm::StringRef name,
                    DataType type, const std::vector<std::string> &dims) {
  setType(*graph.add_input(), name, type, dims);
}

void test::addOutput(hybrid_onnx::Graph &graph, llvm::StringRef name,
                     DataType type, const std::vector<std::string> &dims) {
  setType(*graph.add_output(), name, type, dims);
}

hybrid_onnx::Tensor *test::addInitializer(hybrid_onnx::Graph &graph,
                                          llvm::StringRef name, DataType type,
                                          const std::vector<int64_t> &dims,
                                          llvm::StringRef rawData) {
  hybrid_onnx::Tensor *tensor = graph.add_initializer();
  tensor->set_name(name.str());
  tensor->set_data_type(type);
  for (int64_t dim : dims)
    tensor->add_dims(dim);
  tensor->set_raw_data(rawData.str());
  return tensor;
}

hybrid_onnx::Attribute *test::setInteger(hybrid_onnx::Node &node,
                                         llvm::StringRef name, int64_t value) {
  hybrid_onnx::Attribute *attribute = node.add_attribute();
  attribute->set_name(name.str());
  attribute->set_type(2);
  attribute->set_i(value);
  return attribute;
}

std::string Imported::error() const {
  if (errors.size() == 1)
    return errors.front();
  std::string text = "<" + std::to_string(errors.size()) + " errors>";
  for (const std::string &message : errors)
    text += "\n" + message;
  return text;
}

Imported test::importFile(mlir::MLIRContext &context, llvm::StringRef path,
                          const ImportOptions &options) {
  Imported result;
  mlir::ScopedDiagnosticHandler handler(
      &context, [&](mlir::Diagnostic &diagnostic) {
        if (diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error)
          result.errors.push_back(diagnostic.str());
        return mlir::success();
      });
  result.module = importONNX(path, &context, options);
  if (result.module) {
    llvm::raw_string_ostream os(result.text);
    result.module->print(os);
  }
  return result;
}

Imported test::importBytes(mlir::MLIRContext &context, const TempFolder &folder,
                           llvm::StringRef bytes,
                           const ImportOptions &options) {
  folder.write("model.onnx", bytes);
  return importFile(context, folder.path("model.onnx"), options);
}

Imported test::importModel(mlir::MLIRContext &context, const TempFolder &folder,
                           const hybrid_onnx::Model &model,
                           const ImportOptions &options) {
  return importBytes(context, folder, model.SerializeAsString(), options);
}
