//===- Memory.cpp - mapped memory -----------------------------------------===//

#include "Memory.h"
#include "hybrid/Runtime/Manifest.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <utility>

using namespace hybrid;

Mapping::~Mapping() {
  if (memory)
    munmap(memory, bytes);
}

void Mapping::swap(Mapping &other) noexcept {
  std::swap(memory, other.memory);
  std::swap(bytes, other.bytes);
}

/// Decoding and products of matrices walk over more small pages than the TLB
/// holds. Where the system has no huge ones, small ones do.
static void preferHugePages(void *memory, uint64_t bytes) {
#ifdef MADV_HUGEPAGE
  constexpr uint64_t few = 4 << 20;
  if (bytes >= few)
    madvise(memory, bytes, MADV_HUGEPAGE);
#endif
}

Mapping Mapping::zeroed(uint64_t bytes, const std::string &what) {
  Mapping result;
  bytes = std::max<uint64_t>(bytes, 1);
  void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    throw RuntimeError(HYBRID_OUT_OF_MEMORY,
                       "cannot reserve " + std::to_string(bytes) +
                           " bytes for " + what + ": " + std::strerror(errno));
  preferHugePages(memory, bytes);
  result.memory = memory;
  result.bytes = bytes;
  return result;
}

Mapping Mapping::ofFile(int fd, uint64_t offset, uint64_t bytes,
                        const std::string &what) {
  Mapping result;
  void *memory =
      mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, fd, off_t(offset));
  if (memory == MAP_FAILED)
    throw RuntimeError(HYBRID_IO_ERROR,
                       "cannot map " + what + ": " + std::strerror(errno));
  preferHugePages(memory, bytes);
  result.memory = memory;
  result.bytes = bytes;
  return result;
}

void *Mapping::take() {
  void *const result = memory;
  memory = nullptr;
  bytes = 0;
  return result;
}

Mapping Mapping::give(void *memory, uint64_t bytes) {
  Mapping result;
  result.memory = memory;
  result.bytes = std::max<uint64_t>(bytes, 1);
  return result;
}

void Mapping::clear() {
  if (!memory)
    return;
  // Private anonymous pages read as zeros after this.
  if (madvise(memory, bytes, MADV_DONTNEED))
    std::memset(memory, 0, bytes);
}
