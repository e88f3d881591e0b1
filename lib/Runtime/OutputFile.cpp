//===- OutputFile.cpp - files that appear whole or not at all -------------===//

#include "OutputFile.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

using namespace hybrid;

/// What is written at once: Linux's page cache can then hold it in huge pages,
/// which Mapping::ofFile asks for.
static constexpr size_t bufferBytes = 4 << 20;

/// Unlike that of any other file being written, in whatever process.
static std::string temporaryName(const std::string &path) {
  static std::atomic<unsigned> counter{0};
  return path + ".tmp-" + std::to_string(getpid()) + "-" +
         std::to_string(counter++);
}

[[noreturn]] static void throwError(const char *what, const std::string &path,
                                    int code) {
  const std::string reason = std::strerror(code);
  throw WriteError{std::string(what) + " '" + path + "': " + reason, reason};
}

OutputFile::OutputFile(const std::string &path)
    : path(path), temporary(temporaryName(path)) {
  fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0)
    throwError("cannot create", temporary, errno);
}

OutputFile::~OutputFile() {
  if (fd < 0)
    return;
  close(fd);
  unlink(temporary.c_str());
}

void OutputFile::write(const void *data, size_t bytes) {
  if (hasher)
    hasher->update(data, bytes);
  position += bytes;
  const char *from = static_cast<const char *>(data);
  while (bytes) {
    const size_t count = std::min(bytes, bufferBytes - buffer.size());
    buffer.append(from, count);
    from += count;
    bytes -= count;
    if (buffer.size() == bufferBytes)
      flush();
  }
}

void OutputFile::zeros(uint64_t bytes) {
  static const char block[4096] = {};
  for (; bytes; bytes -= std::min<uint64_t>(bytes, sizeof(block)))
    write(block, size_t(std::min<uint64_t>(bytes, sizeof(block))));
}

void OutputFile::align(uint64_t alignment) {
  zeros((alignment - position % alignment) % alignment);
}

void OutputFile::rewriteStart(const void *data, size_t bytes) {
  flush();
  if (pwrite(fd, data, bytes, 0) != ssize_t(bytes))
    failed();
}

void OutputFile::sync() {
  flush();
  // Not every file system can.
  if (fsync(fd) && errno != EINVAL && errno != EROFS)
    failed();
}

void OutputFile::commit() {
  flush();
  const int result = close(fd);
  fd = -1;
  if (!result && !rename(temporary.c_str(), path.c_str()))
    return;
  const int code = errno;
  unlink(temporary.c_str());
  throwError("cannot write", path, code);
}

void OutputFile::failed() { throwError("cannot write", temporary, errno); }

void OutputFile::flush() {
  writeThrough(buffer.data(), buffer.size());
  buffer.clear();
}

void OutputFile::writeThrough(const char *data, size_t bytes) {
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
