//===- InputFile.h - files from strangers -----------------------*- C++ -*-===//

#ifndef HYBRID_RUNTIME_INPUTFILE_H
#define HYBRID_RUNTIME_INPUTFILE_H

#include <cstddef>
#include <cstdint>
#include <string>

namespace hybrid {

/// An open regular file. Read with pread, so that a file that shrinks meanwhile
/// is an error and no access to memory that is not there.
class InputFile {
public:
  /// Throws RuntimeError(HYBRID_IO_ERROR); never waits for a pipe's writer.
  explicit InputFile(const std::string &path);
  ~InputFile();
  InputFile(const InputFile &) = delete;
  InputFile &operator=(const InputFile &) = delete;

  /// Reads exactly `bytes` bytes at `offset`. Throws RuntimeError:
  /// HYBRID_IO_ERROR, or HYBRID_BAD_FILE where the file ends before.
  void readAt(uint64_t offset, void *data, size_t bytes) const;

  std::string path;
  int fd = -1;
  uint64_t fileBytes = 0;
};

} // namespace hybrid

#endif // HYBRID_RUNTIME_INPUTFILE_H
