//===- Session.h - states, buffers and runs ---------------------*- C++ -*-===//

#ifndef HYBRID_LIB_RUNTIME_SESSION_H
#define HYBRID_LIB_RUNTIME_SESSION_H

#include "Binding.h"
#include "CPUDevice.h"
#include "Memory.h"

namespace hybrid {

/// One batch of sequences that a module works on. Memory is reserved when a
/// size is first seen and kept: a run of known sizes allocates nothing.
class Session {
public:
  Session(std::shared_ptr<const Module> module,
          const HybridSessionOptions &options);

  void reset();
  /// A session in the same position, with states of its own.
  std::unique_ptr<Session> fork() const;
  /// Writes the states to a file, whole or not at all (Snapshot.cpp).
  void snapshot(const std::string &path) const;
  /// Takes batch, position and states from a file that snapshot() wrote.
  void restore(const std::string &path);
  void run(const HybridTensor *inputs, size_t numInputs, HybridTensor *outputs,
           size_t numOutputs);
  void output(size_t index, HybridTensor &tensor) const;
  void readState(HybridTensor &tensor);
  void writeStates(const HybridTensor *tensors, size_t count);

  const Module &module() const { return *owner; }
  int64_t position() const { return now.position; }
  int64_t batch() const { return now.batch; }
  const char *entry() const;

  CPUDevice device;

private:
  /// Memory that grows and is never given back.
  struct Buffer {
    Mapping mapping;
    /// How many leading elements are known to be ones.
    uint64_t ones = 0;
  };

  void reserve(Buffer &buffer, uint64_t bytes, const std::string &name);
  void checkOutputs(const HybridTensor *outputs, size_t count);
  void checkOutput(const HybridTensor &tensor);
  void reserveStates(int64_t batch);
  void reserveBuffers(const HybridTensor *outputs, size_t count);
  void loadStates();
  void placeOutputs(const HybridTensor *outputs, size_t count);
  void placeInputs();
  bool overlapsOutput(const void *data, uint64_t bytes) const;
  void fillPositions(size_t index, char *data) const;
  void fillOnes(size_t index, Buffer &buffer) const;
  void fetchOutputs(HybridTensor *outputs, size_t count);
  void fetchState(size_t index, HybridTensor &tensor);

  std::shared_ptr<const Module> owner;
  const Manifest &manifest;
  int64_t fixedBatch;
  SessionPosition now;
  Binding binding;
  Mapping arena;
  std::vector<Mapping> states;
  /// Outgrown memory that the call in progress may still read.
  std::vector<Mapping> retired;
  std::vector<Buffer> inputBuffers, outputBuffers, stateBuffers;
  std::vector<void *> inputPointers, outputPointers, statePointers;
  std::vector<uint64_t> outputSizes;
  std::vector<HybridTensor> lastOutputs;
  int lastEntry = -1;
};

} // namespace hybrid

struct HybridSession {
  std::unique_ptr<hybrid::Session> session;
};

#endif // HYBRID_LIB_RUNTIME_SESSION_H
