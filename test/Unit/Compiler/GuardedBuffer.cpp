//===- GuardedBuffer.cpp - memory that notices stray accesses -------------===//

#include "GuardedBuffer.h"

#include "ModuleText.h"
#include "hybrid/Runtime/ABI.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/MathExtras.h"
#include <algorithm>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

using namespace hybrid;
using namespace hybrid::test;

GuardedBuffer::GuardedBuffer(size_t bytes) : bytes(bytes) {
  size_t page = sysconf(_SC_PAGESIZE);
  size_t used = llvm::alignTo(bytes, HYBRID_BUFFER_ALIGNMENT);
  size_t accessible = llvm::alignTo(used + HYBRID_BUFFER_ALIGNMENT, page);
  mapped = accessible + page;
  memory = static_cast<char *>(mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (memory == MAP_FAILED ||
      mprotect(memory + accessible, page, PROT_NONE) != 0)
    llvm::report_fatal_error("no memory for a test's buffer");
  std::memset(memory, 0xff, accessible);
  data = memory + accessible - used;
}

GuardedBuffer::GuardedBuffer(GuardedBuffer &&other)
    : bytes(other.bytes), mapped(other.mapped), memory(other.memory),
      data(other.data) {
  other.memory = nullptr;
}

GuardedBuffer::~GuardedBuffer() {
  if (memory)
    munmap(memory, mapped);
}

bool GuardedBuffer::isIntact() const {
  auto isGuard = [](char byte) { return byte == '\xff'; };
  const char *end = data + llvm::alignTo(bytes, HYBRID_BUFFER_ALIGNMENT);
  return std::all_of<const char *>(memory, data, isGuard) &&
         std::all_of<const char *>(data + bytes, end, isGuard);
}

template <typename T>
static void store(char *at, double value) {
  T number = static_cast<T>(value);
  std::memcpy(at, &number, sizeof(T));
}

template <typename T>
static double load(const char *at) {
  T number;
  std::memcpy(&number, at, sizeof(T));
  return static_cast<double>(number);
}

static const llvm::fltSemantics &getSemantics(const std::string &type) {
  return type == "bf16" ? llvm::APFloat::BFloat() : llvm::APFloat::IEEEhalf();
}

static void storeShort(const std::string &type, char *at, double value) {
  llvm::APFloat number(value);
  bool losesInfo;
  number.convert(getSemantics(type), llvm::APFloat::rmNearestTiesToEven,
                 &losesInfo);
  store<uint16_t>(at, number.bitcastToAPInt().getZExtValue());
}

static double loadShort(const std::string &type, const char *at) {
  uint16_t bits;
  std::memcpy(&bits, at, sizeof(bits));
  llvm::APFloat number(getSemantics(type), llvm::APInt(16, bits));
  bool losesInfo;
  number.convert(llvm::APFloat::IEEEdouble(),
                 llvm::APFloat::rmNearestTiesToEven, &losesInfo);
  return number.convertToDouble();
}

void GuardedBuffer::write(const RefTensor &tensor, const std::string &type,
                          size_t offset) {
  size_t step = getElementBytes(type);
  if (offset + tensor.data.size() * step > bytes)
    llvm::report_fatal_error("a test's tensor is larger than its buffer");
  char *at = data + offset;
  for (double value : tensor.data) {
    if (type == "f64")
      store<double>(at, value);
    else if (type == "f32")
      store<float>(at, value);
    else if (type == "f16" || type == "bf16")
      storeShort(type, at, value);
    else if (step == 1)
      store<int8_t>(at, value);
    else if (step == 2)
      store<int16_t>(at, value);
    else if (step == 4)
      store<int32_t>(at, value);
    else
      store<int64_t>(at, value);
    at += step;
  }
}

void GuardedBuffer::read(RefTensor &tensor, const std::string &type) const {
  size_t step = getElementBytes(type);
  if (tensor.data.size() * step > bytes)
    llvm::report_fatal_error("a test's tensor is larger than its buffer");
  const char *at = data;
  for (double &value : tensor.data) {
    if (type == "f64")
      value = load<double>(at);
    else if (type == "f32")
      value = load<float>(at);
    else if (type == "f16" || type == "bf16")
      value = loadShort(type, at);
    else if (type == "i1")
      value = load<uint8_t>(at);
    else if (step == 1)
      value = load<int8_t>(at);
    else if (step == 2)
      value = load<int16_t>(at);
    else if (step == 4)
      value = load<int32_t>(at);
    else
      value = load<int64_t>(at);
    at += step;
  }
}
