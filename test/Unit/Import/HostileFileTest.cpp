//===- HostileFileTest.cpp - Files that are no valid models ---------------===//
//
// Whatever a file holds, the import ends, stays in bounds, and says what is
// wrong in one message per problem.
//
//===----------------------------------------------------------------------===//

#include "ModelFile.h"
#include "hybrid/Dialect/ONNX/Transforms/SymbolicShape.h"
#include "gtest/gtest.h"

#include <random>

using namespace hybrid;
using namespace hybrid::test;
using llvm::StringRef;

namespace {
class HostileFile : public ::testing::Test {
protected:
  Imported import(const hybrid_onnx::Model &model,
                  const ImportOptions &options = {}) {
    return importModel(context, folder, model, options);
  }
  Imported import(StringRef bytes) {
    return importBytes(context, folder, bytes);
  }

  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  TempFolder folder;
};

/// x → Add → … with a weight, a subgraph and a function.
hybrid_onnx::Model makeRichModel() {
  hybrid_onnx::Model model = makeModel();
  hybrid_onnx::OperatorSet *own = model.add_opset_import();
  own->set_domain("own");
  own->set_version(1);
  hybrid_onnx::Graph &graph = *model.mutable_graph();
  addInput(graph, "x", Float, {"batch", "16"});
  addInput(graph, "flag", Bool, {});
  addInitializer(graph, "w", Float, {16, 16}, std::string(1024, 'w'));
  addNode(graph, "MatMul", {"x", "w"}, {"y"});
  hybrid_onnx::Node *branch = addNode(graph, "If", {"flag"}, {"z"});
  for (const char *name : {"then_branch", "else_branch"}) {
    hybrid_onnx::Attribute *attribute = branch->add_attribute();
    attribute->set_name(name);
    attribute->set_type(5);
    hybrid_onnx::Graph &body = *attribute->mutable_g();
    body.set_name(name);
    addNode(body, "Relu", {"y"}, {"r"});
    body.add_output()->set_name("r");
  }
  addNode(graph, "Twice", {"z"}, {"out"})->set_domain("own");
  addOutput(graph, "out", Float, {"batch", "16"});
  hybrid_onnx::Function *function = model.add_functions();
  function->set_name("Twice");
  function->set_domain("own");
  function->add_input("a");
  function->add_output("b");
  hybrid_onnx::Node *add = function->add_node();
  add->set_op_type("Add");
  add->add_input("a");
  add->add_input("a");
  add->add_output("b");
  return model;
}
} // namespace

TEST_F(HostileFile, RichModelIsValid) {
  Imported result = import(makeRichModel());
  EXPECT_TRUE(result.errors.empty()) << result.error();
  EXPECT_TRUE(result.contains("onnx.If"));
  EXPECT_TRUE(result.contains("onnx.Add"));
  EXPECT_FALSE(result.contains("Twice"));
}

//===----------------------------------------------------------------------===//
// Damaged files
//===----------------------------------------------------------------------===//

TEST_F(HostileFile, Missing) {
  Imported result = importFile(context, folder.path("none.onnx"));
  EXPECT_EQ(result.error(), "data file 'none.onnx' cannot be opened: No such "
                            "file or directory");
}

TEST_F(HostileFile, Empty) {
  EXPECT_EQ(import("").error(), "the file is empty");
}

TEST_F(HostileFile, Text) {
  std::string error = import("this is no model\n").error();
  EXPECT_TRUE(StringRef(error).starts_with("not a valid ONNX file: ")) << error;
}

TEST_F(HostileFile, NoGraph) {
  hybrid_onnx::Model model;
  model.set_ir_version(10);
  EXPECT_EQ(import(model).error(), "not a valid ONNX file: it has no graph");
}

TEST_F(HostileFile, TruncatedAnywhere) {
  std::string bytes = makeRichModel().SerializeAsString();
  for (size_t length = 1; length < bytes.size(); ++length) {
    Imported result = import(StringRef(bytes).take_front(length));
    // A cut between two fields of the model leaves a valid, smaller file.
    EXPECT_TRUE(result.module || !result.errors.empty()) << "length " << length;
  }
}

TEST_F(HostileFile, RandomBytesChanged) {
  std::string original = makeRichModel().SerializeAsString();
  std::mt19937 random(7);
  for (int round = 0; round < 1500; ++round) {
    std::string bytes = original;
    for (int change = 0, n = 1 + round % 4; change < n; ++change)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    Imported result = import(bytes);
    if (!result.module) {
      EXPECT_FALSE(result.errors.empty()) << "round " << round;
      continue;
    }
    mlir::ScopedDiagnosticHandler quiet(
        &context, [](mlir::Diagnostic &) { return mlir::success(); });
    for (auto function : result.module->getOps<mlir::func::FuncOp>())
      (void)onnx::SymbolicShapes::compute(function);
  }
}

TEST_F(HostileFile, LengthBeyondTheEnd) {
  // Field 7 (the graph) of 2^60 bytes.
  std::string bytes("\x3a\x80\x80\x80\x80\x80\x80\x80\x80\x10", 10);
  EXPECT_EQ(import(bytes).error(),
            "not a valid ONNX file: the file is truncated or damaged: field 7, "
            "which runs past its end, in ModelProto at byte 0 of 10");
}

/// `levels` If nodes within each other, as bytes: the message classes could
/// not be built or serialised that deep.
static std::string nestedGraphs(unsigned levels) {
  auto field = [](unsigned number, const std::string &value) {
    std::string bytes;
    auto varint = [&](uint64_t n) {
      for (; n >= 0x80; n >>= 7)
        bytes.push_back(static_cast<char>(n | 0x80));
      bytes.push_back(static_cast<char>(n));
    };
    varint(number << 3 | 2);
    varint(value.size());
    return bytes + value;
  };
  std::string graph;
  for (unsigned i = 0; i < levels; ++i)
    graph = field(1, field(4, "If") +
                         field(5, field(1, "then_branch") + field(6, graph)));
  return field(7, graph);
}

TEST_F(HostileFile, SubgraphsNestTooDeeply) {
  std::string error = import(nestedGraphs(2000)).error();
  EXPECT_TRUE(StringRef(error).starts_with(
      "not a valid ONNX file: subgraphs nest too deeply (more than 96 messages)"
      " at byte "))
      << error;
}

//===----------------------------------------------------------------------===//
// Graphs
//===----------------------------------------------------------------------===//

TEST_F(HostileFile, CycleNamesItsNodes) {
  hybrid_onnx::Model model = makeModel();
  hybrid_onnx::Graph &graph = *model.mutable_graph();
  addInput(graph, "x", Float, {"4"});
  addNode(graph, "Add", {"x", "c"}, {"a"})->set_name("first");
  addNode(graph, "Relu", {"a"}, {"b"})->set_name("second");
  addNode(graph, "Neg", {"b"}, {"c"})->set_name("third");
  addNode(graph, "Exp", {"c"}, {"y"})->set_name("after");
  addOutput(graph, "y", Float, {"4"});
  EXPECT_EQ(import(model).error(),
            "the graph has a cycle: node 'second' (Relu) -> node 'third' (Neg) "
            "-> node 'first' (Add) -> node 'second' (Relu)");
}

TEST_F(HostileFile, UnsortedNodesAreSorted) {
  hybrid_onnx::Model model = makeModel();
  hybrid_onnx::Graph &graph = *model.mutable_graph();
  addInput(graph, "x", Float, {"4"});
  addNode(graph, "Exp", {"b"}, {"y"});
  addNode(graph, "Relu", {"a"}, {"b"});
  addNode(graph, "Neg", {"x"}, {"a"});
  addOutput(graph, "y", Float, {"4"});
  Imported result = import(model);
  ASSERT_TRUE(result.module) << result.error();
  StringRef text = result.text;
  EXPECT_LT(text.find("onnx.Neg"), text.find("onnx.Relu"));
  EXPECT_LT(text.find("onnx.Relu"), text.find("onnx.Exp"));
}

TEST_F(HostileFile, AllProblemsAreReported) {
  hybrid_onnx::Model model = makeModel();
  hybrid_onnx::Graph &graph = *model.mutable_graph();
  addInput(graph, "x", Float, {"4"});
  addNode(graph, "Add", {"x", "nowhere"}, {"a"})->set_name("one");
  addNode(graph, "Relu", {"a"}, {"b"})->set_name("two");
  addNode(graph, "Transpose", {"x"}, {"c"})->set_name("three");
  graph.mutable_node(2)->add_attribute()->set_name("perm");
  graph.mutable_node(2)->mutable_attribute(0)->set_type(1);
  addNode(graph, "Cast", {"x"}, {"d"})->set_name("four");
  addNode(graph, "MatMul", {"x"}, {"e"})->set_name("five");
  addOutput(graph, "missing", Float, {"4"});
  Imported result = import(model);
  ASSERT_EQ(result.errors.size(), 5u) << result.error();
  EXPECT_EQ(result.errors[0], "node 'one' (Add, operator set 21): input 1, "
                              "'nowhere', is not defined");
  EXPECT_EQ(result.errors[1],
            "node 'three' (Transpose, operator set 21): the attribute 'perm' "
            "is a float; it must be a list of integers");
  EXPECT_EQ(result.errors[2], "node 'four' (Cast, operator set 21): the "
                              "attribute 'to' (an integer) is missing");
  EXPECT_EQ(result.errors[3], "node 'five' (MatMul, operator set 21): the "
                              "input 'B' (number 1) is missing");
  EXPECT_EQ(result.errors[4],
            "the output 'missing' of the graph is not defined");
}

TEST_F(HostileFile, NameDefinedTwice) {
  hybrid_onnx::Model model = makeModel();
  hybrid_onnx::Graph &graph = *model.mutable_graph();
  addInput(graph, "x", Float, {"4"});
  addNode(graph, "Relu", {"x"}, {"x"});
  addOutput(graph, "x", Float, {"4"});
  // The node also depends on itself.
  Imported result = import(model);
  EXPECT_FALSE(result.module);
  EXPECT_FALSE(result.errors.empty());

  hybrid_onnx::Model second = makeModel();
  hybrid_onnx::Graph &other = *second.mutable_graph();
  addInput(other, "x", Float, {"4"});
  addNode(other, "Relu", {"x"}, {"y"});
  addNode(other, "Exp", {"x"}, {"y"});
  EXPECT_EQ(import(second).error(),
            "the name 'y' is defined twice; names must be unique");
}

TEST_F(HostileFile, DeclaredElementTypeIsWrong) {
  hybrid_onnx::Model model = makeModel();
  hybrid_onnx::Graph &graph = *model.mutable_graph();
  addInput(graph, "x", Float, {"4"});
  addNode(graph, "Relu", {"x"}, {"y"})->set_name("relu");
  addOutput(graph, "y", Float16, {"4"});
  EXPECT_EQ(import(model).error(),
            "node 'relu' (Relu, operator set 21): the file declares elements "
            "of 'f16' for the output 'y', but the operator gives 'f32'");
}

TEST_F(HostileFile, NoOperatorSet) {
  hybrid_onnx::Model model = makeModel();
  model.clear_opset_import();
  addInput(*model.mutable_graph(), "x", Float, {"4"});
  addNode(*model.mutable_graph(), "Relu", {"x"}, {"y"});
  EXPECT_EQ(import(model).error(),
            "imports no operator set of ai.onnx (opset_import)");
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

TEST_F(HostileFile, InitializerOfWrongLength) {
  hybrid_onnx::Model model = makeModel();
  addInitializer(*model.mutable_graph(), "w", Float, {4, 4}, "abcd");
  EXPECT_EQ(import(model).error(), "initializer 'w' has 4 bytes of data, but "
                                   "'tensor<4x4xf32>' takes 64");
}

TEST_F(HostileFile, InitializerOfUnknownType) {
  hybrid_onnx::Model model = makeModel();
  addInitializer(*model.mutable_graph(), "w", static_cast<DataType>(99), {1},
                 "abcd");
  EXPECT_EQ(import(model).error(), "initializer 'w' has elements of data type "
                                   "99, which ONNX does not define");
}

TEST_F(HostileFile, InitializerOfImpossibleShape) {
  for (std::vector<int64_t> dims :
       {std::vector<int64_t>{-1, 4},
        std::vector<int64_t>{int64_t(1) << 62, 4}}) {
    hybrid_onnx::Model model = makeModel();
    addInitializer(*model.mutable_graph(), "w", Float, dims, "abcd");
    std::string error = import(model).error();
    EXPECT_TRUE(StringRef(error).starts_with(
        "initializer 'w' has an impossible shape ["))
        << error;
  }
}

TEST_F(HostileFile, PayloadFieldsOfTheFileAreIgnored) {
  // The scanner's own fields must not be settable from outside.
  hybrid_onnx::Model model = makeModel();
  hybrid_onnx::Tensor *tensor =
      addInitializer(*model.mutable_graph(), "w", Float, {64, 64}, "");
  tensor->clear_raw_data();
  tensor->set_payload_offset(uint64_t(1) << 50);
  tensor->set_payload_length(64 * 64 * 4);
  EXPECT_EQ(import(model).error(), "initializer 'w' has data for 0 bytes, but "
                                   "'tensor<64x64xf32>' takes 16384");
}

TEST_F(HostileFile, InitializerThatIsAnInputIsAConstant) {
  hybrid_onnx::Model model = makeModel();
  hybrid_onnx::Graph &graph = *model.mutable_graph();
  addInput(graph, "w", Float, {"1"});
  addInitializer(graph, "w", Float, {1}, StringRef("\0\0\x80\x3f", 4));
  addNode(graph, "Relu", {"w"}, {"y"});
  addOutput(graph, "y", Float, {"1"});
  EXPECT_TRUE(import(model).contains("onnx.Constant dense<1.000000e+00>"));
  ImportOptions options;
  options.overridableInitializers = true;
  EXPECT_TRUE(import(model, options).contains("%arg0"));
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

static hybrid_onnx::Function *addFunction(hybrid_onnx::Model &model,
                                          StringRef name, StringRef callee) {
  hybrid_onnx::Function *function = model.add_functions();
  function->set_name(name.str());
  function->set_domain("own");
  function->add_input("a");
  function->add_output("b");
  hybrid_onnx::Node *node = function->add_node();
  node->set_op_type(callee.str());
  node->set_domain("own");
  node->add_input("a");
  node->add_output("b");
  return function;
}

TEST_F(HostileFile, RecursiveFunctions) {
  hybrid_onnx::Model model = makeModel();
  hybrid_onnx::Graph &graph = *model.mutable_graph();
  addInput(graph, "x", Float, {"4"});
  addNode(graph, "Ping", {"x"}, {"y"})->set_domain("own");
  addOutput(graph, "y", Float, {"4"});
  addFunction(model, "Ping", "Pong");
  addFunction(model, "Pong", "Ping");
  std::string error = import(model).error();
  EXPECT_TRUE(StringRef(error).ends_with(
      "(own.Ping, operator set 0): the function 'Ping' "
      "calls itself, which ONNX forbids"))
      << error;
}

TEST_F(HostileFile, LongChainOfFunctions) {
  hybrid_onnx::Model model = makeModel();
  hybrid_onnx::Graph &graph = *model.mutable_graph();
  addInput(graph, "x", Float, {"4"});
  addNode(graph, "F0", {"x"}, {"y"})->set_domain("own");
  addOutput(graph, "y", Float, {"4"});
  for (int i = 0; i < 5000; ++i)
    addFunction(model, "F" + std::to_string(i), "F" + std::to_string(i + 1));
  std::string error = import(model).error();
  EXPECT_TRUE(StringRef(error).ends_with(
      "subgraphs and functions nest more than 128 deep"))
      << error;
}

TEST_F(HostileFile, FunctionsThatDouble) {
  hybrid_onnx::Model model = makeModel();
  hybrid_onnx::Graph &graph = *model.mutable_graph();
  addInput(graph, "x", Float, {"4"});
  addNode(graph, "F0", {"x"}, {"y"})->set_domain("own");
  addOutput(graph, "y", Float, {"4"});
  for (int i = 0; i < 40; ++i) {
    std::string next = "F" + std::to_string(i + 1);
    hybrid_onnx::Function *function =
        addFunction(model, "F" + std::to_string(i), next);
    hybrid_onnx::Node *again = function->add_node();
    *again = function->node(0);
    again->set_output(0, "c");
  }
  ImportOptions options;
  options.maxNodes = 10'000;
  std::string error = import(model, options).error();
  EXPECT_TRUE(StringRef(error).ends_with(
      "the graph has more than 10000 nodes once its functions are inlined"))
      << error;
}
