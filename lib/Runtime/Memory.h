//===- Memory.h - mapped memory ---------------------------------*- C++ -*-===//

#ifndef HYBRID_LIB_RUNTIME_MEMORY_H
#define HYBRID_LIB_RUNTIME_MEMORY_H

#include <cstddef>
#include <cstdint>
#include <string>

namespace hybrid {

/// Pages of memory, unmapped when it goes.
class Mapping {
public:
  Mapping() = default;
  Mapping(Mapping &&other) noexcept { swap(other); }
  Mapping &operator=(Mapping &&other) noexcept {
    swap(other);
    return *this;
  }
  ~Mapping();

  /// Zeroed memory whose pages cost nothing until they are touched. Throws
  /// RuntimeError(HYBRID_OUT_OF_MEMORY) naming `what`. At least one page, so
  /// that data() is never null.
  static Mapping zeroed(uint64_t bytes, const std::string &what);

  /// Read-only bytes of a file; `offset` must be a multiple of the page size.
  /// Throws RuntimeError(HYBRID_IO_ERROR).
  static Mapping ofFile(int fd, uint64_t offset, uint64_t bytes,
                        const std::string &what);

  /// Hands the pages out: the caller gives them back with give(), which takes
  /// the size that they were reserved with.
  void *take();
  static Mapping give(void *memory, uint64_t bytes);

  /// Gives the pages of a zeroed mapping back; it is all zeros again.
  void clear();

  char *data() const { return static_cast<char *>(memory); }
  uint64_t size() const { return bytes; }

private:
  void swap(Mapping &other) noexcept;

  void *memory = nullptr;
  uint64_t bytes = 0;
};

} // namespace hybrid

#endif // HYBRID_LIB_RUNTIME_MEMORY_H
