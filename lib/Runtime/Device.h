//===- Device.h - where launches run and states lie -------------*- C++ -*-===//

#ifndef HYBRID_LIB_RUNTIME_DEVICE_H
#define HYBRID_LIB_RUNTIME_DEVICE_H

#include "hybrid/Runtime/ABI.h"
#include "hybrid/Runtime/Runtime.h"

#include <memory>
#include <string>

namespace hybrid {

class Module;

/// The context of host programs, and the memory that their launches see. Copies
/// and launches happen in the order in which they are asked for; what read()
/// has given is there when it returns.
class Device : public HybridContext {
public:
  virtual ~Device() = default;
  Device() = default;
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;

  /// Whether launches see the host's memory, so that nothing has to be copied.
  virtual bool sharesMemory() const = 0;
  /// Of the host, that kernels run on; 1 for other devices.
  virtual int numThreads() const = 0;

  /// Zeroed memory, at least a byte. Throws RuntimeError(HYBRID_OUT_OF_MEMORY)
  /// naming `what`.
  virtual void *allocate(uint64_t bytes, const std::string &what) = 0;
  /// `bytes` are those of allocate().
  virtual void release(void *memory, uint64_t bytes) = 0;
  /// All of an allocation becomes zeros.
  virtual void clear(void *memory, uint64_t bytes) = 0;

  // Between the device's memory and the host's, and within the device's.
  virtual void read(void *host, const void *memory, uint64_t bytes) = 0;
  virtual void write(void *memory, const void *host, uint64_t bytes) = 0;
  virtual void copy(void *to, const void *from, uint64_t bytes) = 0;
  virtual void zero(void *memory, uint64_t bytes) = 0;

  /// Waits for all that was asked for. Throws RuntimeError if a launch failed.
  virtual void synchronize() = 0;

  /// Starts counting from zero, or stops.
  virtual void profile(bool enable) = 0;
  virtual const HybridKernelStats &stats(size_t kernel) const = 0;
  /// Nanoseconds of a launch that does nothing.
  virtual double launchOverhead() = 0;

  /// The module's weights as launches see them.
  virtual const void *weights() const = 0;
};

/// Memory of a device, given back when it goes.
class DeviceMemory {
public:
  DeviceMemory() = default;
  DeviceMemory(DeviceMemory &&other) noexcept { swap(other); }
  DeviceMemory &operator=(DeviceMemory &&other) noexcept {
    swap(other);
    return *this;
  }
  ~DeviceMemory() {
    if (memory)
      device->release(memory, bytes);
  }
  static DeviceMemory zeroed(Device &device, uint64_t bytes,
                             const std::string &what) {
    DeviceMemory result;
    result.memory = device.allocate(bytes, what);
    result.device = &device;
    result.bytes = bytes;
    return result;
  }

  void clear() {
    if (memory)
      device->clear(memory, bytes);
  }
  /// Null if there is none. For arithmetic: only the device may follow it.
  char *data() const { return static_cast<char *>(memory); }
  uint64_t size() const { return bytes; }

private:
  void swap(DeviceMemory &other) noexcept {
    std::swap(device, other.device);
    std::swap(memory, other.memory);
    std::swap(bytes, other.bytes);
  }

  Device *device = nullptr;
  void *memory = nullptr;
  uint64_t bytes = 0;
};

/// The device `name` ("cpu", "cuda", "cuda:1", …; empty: what the module is
/// compiled for) for the module's launches. `threads`: of cpu. Throws
/// RuntimeError.
std::unique_ptr<Device>
createDevice(const std::shared_ptr<const Module> &module,
             const std::string &name, int threads);

} // namespace hybrid

#endif // HYBRID_LIB_RUNTIME_DEVICE_H
