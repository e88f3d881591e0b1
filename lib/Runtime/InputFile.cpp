//===- InputFile.cpp - files from strangers -------------------------------===//

#include "hybrid/Runtime/InputFile.h"
#include "hybrid/Runtime/Manifest.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace hybrid;

[[noreturn]] static void failed(const char *what, const std::string &path,
                                int code) {
  throw RuntimeError(HYBRID_IO_ERROR, std::string("cannot ") + what + " '" +
                                          path + "': " + std::strerror(code));
}

InputFile::InputFile(const std::string &path) : path(path) {
  // Non-blocking, so that opening a pipe does not wait for a writer.
  fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    failed("open", path, errno);
  struct stat status;
  const int code = fstat(fd, &status) ? errno : 0;
  if (!code && S_ISREG(status.st_mode)) {
    fileBytes = uint64_t(status.st_size);
    return;
  }
  close(fd);
  if (code)
    failed("stat", path, code);
  throw RuntimeError(HYBRID_IO_ERROR, "'" + path + "' is not a regular file");
}

InputFile::~InputFile() { close(fd); }

void InputFile::readAt(uint64_t offset, void *data, size_t bytes) const {
  char *out = static_cast<char *>(data);
  while (bytes) {
    const ssize_t got = pread(fd, out, bytes, off_t(offset));
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      failed("read", path, errno);
    if (got == 0)
      throw RuntimeError(HYBRID_BAD_FILE,
                         "'" + path + "': the file ends too early");
    out += got;
    offset += uint64_t(got);
    bytes -= size_t(got);
  }
}
