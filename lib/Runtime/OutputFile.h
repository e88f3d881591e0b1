//===- OutputFile.h - files that appear whole or not at all -----*- C++ -*-===//

#ifndef HYBRID_LIB_RUNTIME_OUTPUTFILE_H
#define HYBRID_LIB_RUNTIME_OUTPUTFILE_H

#include "ArtifactFormat.h"

#include <string>

namespace hybrid {

/// Why a file could not be written.
struct WriteError {
  std::string message;
  /// The system's word alone, if it was the system that refused.
  std::string reason = {};
};

/// A temporary file that is renamed when all is written, else removed. Throws
/// WriteError.
class OutputFile {
public:
  explicit OutputFile(const std::string &path);
  ~OutputFile();
  OutputFile(const OutputFile &) = delete;
  OutputFile &operator=(const OutputFile &) = delete;

  void write(const void *data, size_t bytes);
  void zeros(uint64_t bytes);
  void align(uint64_t alignment);
  /// Writes the first bytes of the file again.
  void rewriteStart(const void *data, size_t bytes);
  /// Waits until all that is written is on the disk.
  void sync();
  /// Gives the file its name, in place of a file that has it.
  void commit();

  uint64_t position = 0;
  /// Hashes what is written while it is set.
  Hasher *hasher = nullptr;

private:
  void flush();
  void writeThrough(const char *data, size_t bytes);
  [[noreturn]] void failed();

  std::string path, temporary, buffer;
  int fd;
};

} // namespace hybrid

#endif // HYBRID_LIB_RUNTIME_OUTPUTFILE_H
