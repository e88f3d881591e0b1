//===- SymbolicShapeTest.cpp - The analysis through its interface ---------===//

#include "hybrid/Dialect/ONNX/Transforms/SymbolicShape.h"
#include "hybrid/Dialect/ONNX/IR/ONNXDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

using namespace hybrid::onnx;
using namespace mlir;

namespace {
class Symbolic : public ::testing::Test {
protected:
  Symbolic() { context.loadDialect<ONNXDialect, func::FuncDialect>(); }

  SymbolicShapes analyse(const char *text,
                         const SymbolicShapeOptions &options = {}) {
    module = parseSourceString<ModuleOp>(text, &context);
    EXPECT_TRUE(module);
    func = *module->getOps<func::FuncOp>().begin();
    FailureOr<SymbolicShapes> shapes = SymbolicShapes::compute(func, options);
    EXPECT_TRUE(succeeded(shapes));
    return std::move(*shapes);
  }

  Value result(unsigned i) {
    return func.getBody().front().getTerminator()->getOperand(i);
  }

  std::string shapeOf(const SymbolicShapes &shapes, Value value) {
    auto shape = shapes.getShape(value);
    if (!shape)
      return "unknown";
    std::string text;
    for (AffineExpr dim : *shape)
      text += (text.empty() ? "" : ", ") + shapes.print(dim);
    return text;
  }

  MLIRContext context{MLIRContext::Threading::DISABLED};
  OwningOpRef<ModuleOp> module;
  func::FuncOp func;
};

constexpr const char *kCache = R"mlir(
func.func @main(
    %x: tensor<?x2x?x16xf32> {onnx.dims = ["batch", 2, "seq", 16]},
    %past: tensor<?x2x?x16xf32> {onnx.dims = ["batch", 2, "past", 16]},
    %mask: tensor<?x?xi64> {onnx.dims = ["batch", "past + seq"]})
    -> (tensor<*xf32>, tensor<*xi64>) {
  %all = onnx.Concat(%past, %x) {axis = 2 : i64}
      : (tensor<?x2x?x16xf32>, tensor<?x2x?x16xf32>) -> tensor<*xf32>
  %shape = onnx.Shape(%all) : (tensor<*xf32>) -> tensor<*xi64>
  return %all, %shape : tensor<*xf32>, tensor<*xi64>
}
)mlir";
} // namespace

TEST_F(Symbolic, ShapesElementsAndSymbols) {
  SymbolicShapes shapes = analyse(kCache);
  EXPECT_EQ(shapeOf(shapes, result(0)), "batch, 2, seq + past, 16");
  auto elements = shapes.getElements(result(1));
  ASSERT_TRUE(elements);
  EXPECT_EQ(shapes.print((*elements)[2]), "seq + past");
  EXPECT_TRUE(shapes.isEqual((*elements)[2],
                             (*shapes.getShape(func.getArgument(2)))[1]));
  ASSERT_EQ(shapes.getNumSymbols(), 3u);
  EXPECT_EQ(shapes.getSymbolName(0), "batch");
  EXPECT_EQ(shapes.getSymbol(2).kind, SymbolInfo::Kind::InputDim);
  EXPECT_EQ(shapes.getSymbol(2).value, func.getArgument(1));
  EXPECT_EQ(shapes.getSymbol(2).index, 2);
  EXPECT_EQ(shapes.getSymbol(2).minimum, 0);
  EXPECT_EQ(shapes.print(shapes.lookupSymbol("past + seq")), "seq + past");
  EXPECT_FALSE(shapes.lookupSymbol("nothing"));
  EXPECT_EQ(shapes.print(shapes.getNumElements(func.getArgument(2))),
            "batch * seq + batch * past");
}

TEST_F(Symbolic, NameDefinedByASum) {
  // "past" stands nowhere alone.
  SymbolicShapes shapes = analyse(R"mlir(
    func.func @main(%x: tensor<?xi64> {onnx.dims = ["seq"]},
                    %mask: tensor<?xi64> {onnx.dims = ["past + seq"]}) {
      return
    })mlir");
  AffineExpr past = shapes.lookupSymbol("past");
  ASSERT_TRUE(past);
  const SymbolInfo &symbol =
      shapes.getSymbol(cast<AffineSymbolExpr>(past).getPosition());
  EXPECT_EQ(symbol.kind, SymbolInfo::Kind::InputDim);
  EXPECT_EQ(symbol.value, func.getArgument(1));
  EXPECT_EQ(shapes.print(symbol.lhs), "seq");
}

TEST_F(Symbolic, BindingsMakeNamesEqual) {
  const char *text = R"mlir(
    func.func @main(%a: tensor<?xf32> {onnx.dims = ["p0"]},
                    %b: tensor<?xf32> {onnx.dims = ["p1"]},
                    %c: tensor<?xf32> {onnx.dims = ["total"]})
        -> tensor<*xf32> {
      %ab = onnx.Concat(%a, %b) {axis = 0 : i64}
          : (tensor<?xf32>, tensor<?xf32>) -> tensor<*xf32>
      %sum = onnx.Add(%ab, %c) : (tensor<*xf32>, tensor<?xf32>)
          -> tensor<*xf32>
      return %sum : tensor<*xf32>
    })mlir";
  SymbolicShapeOptions options;
  options.bindings = {{"p0", "past"}, {"p1", "past"}, {"total", "2 * past"}};
  SymbolicShapes shapes = analyse(text, options);
  EXPECT_EQ(shapeOf(shapes, result(0)), "past * 2");
  ASSERT_EQ(shapes.getNumSymbols(), 1u);
  EXPECT_EQ(shapes.getSymbolName(0), "past");
  EXPECT_EQ(shapes.print(shapes.lookupSymbol("p1")), "past");
}

TEST_F(Symbolic, BindingsThatGoInCircles) {
  SymbolicShapeOptions options;
  options.bindings = {{"a", "b + 1"}, {"b", "a"}};
  SymbolicShapes shapes = analyse(R"mlir(
    func.func @main(%x: tensor<?xf32> {onnx.dims = ["a"]}) { return })mlir",
                                  options);
  EXPECT_TRUE(shapes.getShape(func.getArgument(0)));
}

TEST_F(Symbolic, MaximumIsASymbolOfItsOwn) {
  SymbolicShapes shapes = analyse(R"mlir(
    func.func @main(%x: tensor<?xi64> {onnx.dims = ["n"]},
                    %y: tensor<?xi64> {onnx.dims = ["m"]})
        -> tensor<*xi64> {
      %sum = onnx.Add(%x, %y) : (tensor<?xi64>, tensor<?xi64>)
          -> tensor<*xi64>
      return %sum : tensor<*xi64>
    })mlir");
  auto shape = shapes.getShape(result(0));
  ASSERT_TRUE(shape);
  unsigned position = cast<AffineSymbolExpr>((*shape)[0]).getPosition();
  const SymbolInfo &symbol = shapes.getSymbol(position);
  EXPECT_EQ(symbol.kind, SymbolInfo::Kind::Max);
  EXPECT_EQ(symbol.minimum, 1);
  EXPECT_TRUE(shapes.isAtLeast((*shape)[0], 1));
  EXPECT_FALSE(shapes.dependsOnData((*shape)[0]));
  // Operands come first, so that symbols can be computed in order.
  EXPECT_LT(cast<AffineSymbolExpr>(symbol.lhs).getPosition(), position);
}

TEST_F(Symbolic, DataDependentDimension) {
  SymbolicShapes shapes = analyse(R"mlir(
    func.func @main(%x: tensor<?xf32> {onnx.dims = ["n"]}) -> tensor<*xi64> {
      %nz = onnx.NonZero(%x) : (tensor<?xf32>) -> tensor<*xi64>
      return %nz : tensor<*xi64>
    })mlir");
  auto shape = shapes.getShape(result(0));
  ASSERT_TRUE(shape);
  EXPECT_TRUE(shapes.dependsOnData((*shape)[1]));
  const SymbolInfo &symbol =
      shapes.getSymbol(cast<AffineSymbolExpr>((*shape)[1]).getPosition());
  EXPECT_EQ(symbol.kind, SymbolInfo::Kind::ValueDim);
  EXPECT_EQ(symbol.value, result(0));
  EXPECT_EQ(symbol.index, 1);
}
