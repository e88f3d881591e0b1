//===- ExternalDataTest.cpp - Weights in other files ----------------------===//

#include "ModelFile.h"
#include "llvm/Support/FileSystem.h"
#include "gtest/gtest.h"

#include <sys/stat.h>
#include <unistd.h>

using namespace hybrid;
using namespace hybrid::test;
using llvm::StringRef;

namespace {
class ExternalData : public ::testing::Test {
protected:
  /// A model whose weight of 100 floats is at `location`.
  static hybrid_onnx::Model makeModelWithWeight(StringRef location,
                                                StringRef offset = "",
                                                StringRef length = "") {
    hybrid_onnx::Model model = makeModel();
    hybrid_onnx::Tensor *tensor =
        addInitializer(*model.mutable_graph(), "w", Float, {100}, "");
    tensor->clear_raw_data();
    tensor->set_data_location(1);
    auto set = [&](const char *key, StringRef value) {
      hybrid_onnx::StringEntry *entry = tensor->add_external_data();
      entry->set_key(key);
      entry->set_value(value.str());
    };
    set("location", location);
    if (!offset.empty())
      set("offset", offset);
    if (!length.empty())
      set("length", length);
    return model;
  }

  std::string errorOf(StringRef location, StringRef offset = "",
                      StringRef length = "") {
    return importModel(context, folder,
                       makeModelWithWeight(location, offset, length))
        .error();
  }

  static constexpr const char *kPrefix =
      "initializer 'w' ('tensor<100xf32>'): ";

  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  TempFolder folder;
};
} // namespace

TEST_F(ExternalData, IsAReference) {
  folder.write("w.data", std::string(500, 'x'));
  Imported result =
      importModel(context, folder, makeModelWithWeight("w.data", "100", "400"));
  EXPECT_TRUE(result.contains(
      "onnx.Initializer \"w\" <\"w.data\", 100, 400> : tensor<100xf32>"))
      << result.error();
}

TEST_F(ExternalData, InASubfolder) {
  ASSERT_FALSE(llvm::sys::fs::create_directory(folder.path("sub")));
  folder.write("sub/w.data", std::string(400, 'x'));
  EXPECT_TRUE(
      importModel(context, folder, makeModelWithWeight("sub/w.data")).module);
}

TEST_F(ExternalData, MissingFile) {
  EXPECT_EQ(errorOf("w.data"),
            kPrefix + std::string("data file 'w.data' cannot be opened: No "
                                  "such file or directory"));
}

TEST_F(ExternalData, TooShortFile) {
  folder.write("w.data", std::string(399, 'x'));
  EXPECT_EQ(errorOf("w.data"),
            kPrefix + std::string("data file 'w.data' has 399 bytes; 400 bytes "
                                  "at offset 0 are needed"));
}

TEST_F(ExternalData, OffsetThatOverflows) {
  folder.write("w.data", std::string(400, 'x'));
  EXPECT_EQ(errorOf("w.data", "18446744073709551615"),
            kPrefix + std::string("data file 'w.data' has 400 bytes; 400 bytes "
                                  "at offset 18446744073709551615 are needed"));
  EXPECT_EQ(errorOf("w.data", "18446744073709551616"),
            "initializer 'w' has external data with the offset "
            "'18446744073709551616', which is not a number of bytes");
  EXPECT_EQ(errorOf("w.data", "-4"),
            "initializer 'w' has external data with the offset '-4', which is "
            "not a number of bytes");
}

TEST_F(ExternalData, LengthThatLies) {
  folder.write("w.data", std::string(800, 'x'));
  EXPECT_EQ(errorOf("w.data", "0", "800"),
            "initializer 'w' has external data of 800 bytes, but "
            "'tensor<100xf32>' takes 400");
}

TEST_F(ExternalData, PathsThatLeaveTheFolder) {
  EXPECT_EQ(errorOf("/etc/passwd"),
            kPrefix +
                std::string("data file '/etc/passwd' is an absolute path; "
                            "it must be relative to the folder of the "
                            "model"));
  for (const char *path : {"../w.data", "sub/../../w.data", "..", "a/.."})
    EXPECT_EQ(errorOf(path), kPrefix + std::string("data file '") + path +
                                 "' has '..' in its path; it must lie in the "
                                 "folder of the model");
  EXPECT_EQ(errorOf(""),
            "initializer 'w' has external data without a location");
  EXPECT_EQ(errorOf(StringRef("w\0.data", 7)),
            kPrefix + std::string("data file 'w") + '\0' +
                ".data' has a NUL in its name");
}

TEST_F(ExternalData, LinkThatLeavesTheFolder) {
  TempFolder outside;
  outside.write("secret", std::string(400, 's'));
  ASSERT_EQ(
      symlink(outside.path("secret").c_str(), folder.path("w.data").c_str()),
      0);
  EXPECT_EQ(errorOf("w.data"),
            kPrefix + std::string("data file 'w.data' is a link that leaves "
                                  "the folder of the model"));
}

TEST_F(ExternalData, FolderNextDoorIsOutside) {
  // "/x/model-other" starts with "/x/model" but is not in it.
  std::string other = folder.path("") + "-other";
  while (other.find("/-other") != std::string::npos)
    other.erase(other.find("/-other"), 1);
  ASSERT_FALSE(llvm::sys::fs::create_directory(other));
  std::string file = other + "/secret";
  {
    std::error_code error;
    llvm::raw_fd_ostream os(file, error);
    os << std::string(400, 's');
  }
  ASSERT_EQ(symlink(file.c_str(), folder.path("w.data").c_str()), 0);
  EXPECT_NE(errorOf("w.data").find("leaves the folder"), std::string::npos);
  llvm::sys::fs::remove_directories(other);
}

TEST_F(ExternalData, LinksOfADownloadCache) {
  // snapshots/model.onnx → ../blobs/a, snapshots/w.data → ../blobs/b
  ASSERT_FALSE(llvm::sys::fs::create_directory(folder.path("blobs")));
  ASSERT_FALSE(llvm::sys::fs::create_directory(folder.path("snapshots")));
  folder.write("blobs/a", makeModelWithWeight("w.data").SerializeAsString());
  folder.write("blobs/b", std::string(400, 'x'));
  ASSERT_EQ(symlink("../blobs/a", folder.path("snapshots/model.onnx").c_str()),
            0);
  ASSERT_EQ(symlink("../blobs/b", folder.path("snapshots/w.data").c_str()), 0);
  Imported result = importFile(context, folder.path("snapshots/model.onnx"));
  EXPECT_TRUE(result.module) << result.error();
}

TEST_F(ExternalData, OnlyRegularFiles) {
  ASSERT_FALSE(llvm::sys::fs::create_directory(folder.path("w.data")));
  EXPECT_EQ(errorOf("w.data"),
            kPrefix + std::string("data file 'w.data' is not a regular file"));
  // Opening a pipe for reading would wait for a writer.
  ASSERT_EQ(mkfifo(folder.path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(errorOf("pipe"),
            kPrefix + std::string("data file 'pipe' is not a regular file"));
}
