//===- OutputFile.h - files that appear whole or not at all ------*- C++
//-*-===//

#ifndef HYBRID_LIB_RUNTIME_OUTPUTFILE_H
#define HYBRID_LIB_RUNTIME_OUTPUTFILE_H

#include "ArtifactFormat.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace hybrid {

/// Why a file could not be written.
struct WriteError {
  std::string message;
};

/// The temporary file; removed unless committed.
class OutputFile {
public:
  explicit OutputFile(const std::string &path)
      : path(path), temporary(temporaryName(path)) {
    fd =
        open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
      throw WriteError{"cannot create '" + temporary +
                       "': " + std::strerror(errno)};
    buffer.reserve(bufferBytes);
  }

  ~OutputFile() {
    if (fd < 0)
      return;
    close(fd);
    unlink(temporary.c_str());
  }

  void write(const void *data, size_t bytes) {
    if (hasher)
      hasher->update(data, bytes);
    position += bytes;
    if (buffer.size() + bytes > bufferBytes)
      flush();
    if (bytes >= bufferBytes)
      return writeThrough(static_cast<const char *>(data), bytes);
    buffer.append(static_cast<const char *>(data), bytes);
  }

  void zeros(uint64_t bytes) {
    static const char block[4096] = {};
    for (; bytes; bytes -= std::min<uint64_t>(bytes, sizeof(block)))
      write(block, size_t(std::min<uint64_t>(bytes, sizeof(block))));
  }

  void align(uint64_t alignment) {
    zeros((alignment - position % alignment) % alignment);
  }

  /// Writes the first bytes of the file again.
  void rewriteStart(const void *data, size_t bytes) {
    flush();
    if (pwrite(fd, data, bytes, 0) != ssize_t(bytes))
      failed();
  }

  /// Gives the file its name. Its bytes are on the disk before, so that there
  /// is always either the old or the new file, whole.
  void commit() {
    flush();
    if (fsync(fd) && errno != EINVAL && errno != EROFS)
      failed();
    const int result = close(fd);
    fd = -1;
    if (!result && !rename(temporary.c_str(), path.c_str()))
      return;
    const int code = errno;
    unlink(temporary.c_str());
    throw WriteError{"cannot write '" + path + "': " + std::strerror(code)};
  }

  uint64_t position = 0;
  Hasher *hasher = nullptr;

private:
  /// Unlike that of any other file being written, in whatever process.
  static std::string temporaryName(const std::string &path) {
    static std::atomic<unsigned> counter{0};
    return path + ".tmp-" + std::to_string(getpid()) + "-" +
           std::to_string(counter++);
  }

  static constexpr size_t bufferBytes = 1 << 20;

  [[noreturn]] void failed() {
    throw WriteError{"cannot write '" + temporary +
                     "': " + std::strerror(errno)};
  }

  void flush() {
    writeThrough(buffer.data(), buffer.size());
    buffer.clear();
  }

  void writeThrough(const char *data, size_t bytes) {
    while (bytes) {
      const ssize_t done = ::write(fd, data, bytes);
      if (done < 0 && errno == EINTR)
        continue;
      if (done <= 0)
        failed();
      data += done;
      bytes -= size_t(done);
    }
  }

  std::string path, temporary, buffer;
  int fd;
};

} // namespace hybrid

#endif // HYBRID_LIB_RUNTIME_OUTPUTFILE_H
