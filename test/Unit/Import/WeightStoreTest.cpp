//===- WeightStoreTest.cpp - Bytes behind onnx.source ---------------------===//

#include "hybrid/Import/WeightStore.h"
#include "ModelFile.h"
#include "gtest/gtest.h"

using namespace hybrid;
using namespace hybrid::test;

TEST(WeightStore, ReadsRanges) {
  TempFolder folder;
  folder.write("model.onnx", "0123456789");
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  context.loadDialect<onnx::ONNXDialect>();
  WeightStore store(folder.path("model.onnx"));
  auto source = onnx::SourceAttr::get(&context, "model.onnx", 3, 4);
  llvm::Expected<llvm::ArrayRef<char>> bytes = store.get(source);
  ASSERT_TRUE(static_cast<bool>(bytes)) << llvm::toString(bytes.takeError());
  EXPECT_EQ(std::string(bytes->data(), bytes->size()), "3456");
  llvm::Expected<llvm::ArrayRef<char>> none = store.get("model.onnx", 10, 0);
  ASSERT_TRUE(static_cast<bool>(none));
  EXPECT_TRUE(none->empty());
  llvm::Expected<llvm::ArrayRef<char>> beyond = store.get("model.onnx", 8, 3);
  EXPECT_EQ(llvm::toString(beyond.takeError()),
            "data file 'model.onnx' has 10 bytes; 3 bytes at offset 8 are "
            "needed");
}

TEST(WeightStore, RangesStayValid) {
  TempFolder folder;
  folder.write("model.onnx", "aaaa");
  folder.write("b.data", "bbbb");
  WeightStore store(folder.path("model.onnx"));
  llvm::Expected<llvm::ArrayRef<char>> a = store.get("model.onnx", 0, 4);
  llvm::Expected<llvm::ArrayRef<char>> b = store.get("b.data", 0, 4);
  WeightStore moved(std::move(store));
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->front(), 'a');
  EXPECT_EQ(b->front(), 'b');
  EXPECT_EQ(cantFail(moved.getFileSize("b.data")), 4u);
}
