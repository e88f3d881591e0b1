//===- GuardedBuffer.h - memory that notices stray accesses -----*- C++ -*-===//

#ifndef HYBRID_TEST_UNIT_COMPILER_GUARDEDBUFFER_H
#define HYBRID_TEST_UNIT_COMPILER_GUARDEDBUFFER_H

#include <cstdint>
#include <string>
#include <vector>

namespace hybrid {
struct RefTensor;
}

namespace hybrid::test {

/// Bytes, all 0xff (a NaN) at first, aligned as the ABI asks for. At most
/// HYBRID_BUFFER_ALIGNMENT - 1 bytes behind them begins memory that cannot be
/// accessed; what lies between, and 64 bytes or more before, is a guard.
class GuardedBuffer {
public:
  explicit GuardedBuffer(size_t bytes);
  GuardedBuffer(GuardedBuffer &&other);
  ~GuardedBuffer();

  char *get() const { return data; }
  size_t size() const { return bytes; }
  /// Whether nobody wrote to the guards.
  bool isIntact() const;

  /// Stores the tensor's elements as `type`, for example "bf16".
  void write(const RefTensor &tensor, const std::string &type,
             size_t offset = 0);
  /// Sets the elements of `tensor`.
  void read(RefTensor &tensor, const std::string &type) const;
  std::vector<char> copy() const { return {data, data + bytes}; }

private:
  size_t bytes, mapped;
  char *memory, *data;
};

} // namespace hybrid::test

#endif // HYBRID_TEST_UNIT_COMPILER_GUARDEDBUFFER_H
