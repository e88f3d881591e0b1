//===- WeightStore.h - The bytes behind onnx.source -------------*- C++ -*-===//

#ifndef HYBRID_IMPORT_WEIGHTSTORE_H
#define HYBRID_IMPORT_WEIGHTSTORE_H

#include "hybrid/Dialect/ONNX/IR/ONNXDialect.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <string>

namespace hybrid {

/// Maps the files that hold the weights of one model, each when it is first
/// asked for. A file is only opened if its real path is inside the folder of
/// the model or inside the folder that the model file is a symbolic link into
/// (caches of downloads are built that way).
class WeightStore {
public:
  /// `modelPath`: the .onnx file.
  explicit WeightStore(llvm::StringRef modelPath);
  ~WeightStore();
  WeightStore(WeightStore &&);

  /// The bytes of `source`: valid as long as the store. Errors name the file
  /// and say what is wrong: it leaves the folder, is missing, is not a regular
  /// file, cannot be read, or is too short.
  llvm::Expected<llvm::ArrayRef<char>> get(onnx::SourceAttr source);
  llvm::Expected<llvm::ArrayRef<char>> get(llvm::StringRef file,
                                           uint64_t offset, uint64_t length);

  /// The size in bytes of `file`, with the same checks.
  llvm::Expected<uint64_t> getFileSize(llvm::StringRef file);

  /// Gives back the memory that bytes read so far occupy; they stay valid, and
  /// are read from the file again.
  void release();

private:
  struct MappedFile;
  llvm::Expected<MappedFile *> open(llvm::StringRef file);
  llvm::Expected<std::string> resolve(llvm::StringRef file) const;

  std::string folder;
  /// Real paths that a file may lie under.
  llvm::SmallVector<std::string, 2> roots;
  llvm::StringMap<std::unique_ptr<MappedFile>> files;
};

} // namespace hybrid

#endif // HYBRID_IMPORT_WEIGHTSTORE_H
