//===- Binding.h - what one call means --------------------------*- C++ -*-===//
//
// Checks the inputs of a call against the manifest and gives every symbol its
// value. Binding changes nothing outside itself, so that a call that is refused
// leaves its session as it was.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_LIB_RUNTIME_BINDING_H
#define HYBRID_LIB_RUNTIME_BINDING_H

#include "Module.h"

namespace hybrid {

/// Whether the runtime fills such an input in where it is left out.
inline bool isFilledIn(InputRole role) {
  return role == InputRole::PositionIds || role == InputRole::AttentionMask;
}

/// What a session holds before a call.
struct SessionPosition {
  int64_t batch;       ///< sequences of the call; 0: not bound
  int64_t position;    ///< tokens of each sequence, at most
  bool uneven = false; ///< some sequences have fewer tokens
  bool some = false;   ///< the call names its sequences
  /// Only the outputs of the last position are wanted.
  bool lastOnly = false;
};

class Binding {
public:
  explicit Binding(const Module &module);

  /// Binds the inputs of a run. Throws RuntimeError; the binding is then
  /// meaningless.
  void bindRun(const SessionPosition &session, const HybridTensor *tensors,
               size_t count);

  /// Binds states that are written outside of a run. Names may be those of the
  /// present outputs.
  void bindStates(const SessionPosition &session, const HybridTensor *tensors,
                  size_t count);

  /// The given tensor; null where it was left out.
  const HybridTensor *input(size_t index) const { return inputs[index]; }
  const HybridTensor *state(size_t index) const { return states[index]; }
  const int64_t *symbolValues() const { return symbols.data(); }
  /// The first of the call's positions whose outputs are wanted, where the
  /// model can leave out those before it; else 0.
  int64_t firstWanted() const {
    return manifest.fromSymbol < 0 ? 0 : symbols[size_t(manifest.fromSymbol)];
  }
  const int64_t *inputDims(size_t index) const {
    return shapes.data() + inputOffsets[index];
  }
  const int64_t *outputDims(size_t index) const {
    return shapes.data() + outputOffsets[index];
  }
  /// Bytes of an input or output.
  uint64_t inputBytes(size_t index) const;
  uint64_t outputBytes(size_t index) const;

  const Module::EntryPoint *entry = nullptr;
  int entryIndex = -1;
  int64_t batch = 0;        ///< of the session from now on; 0 if still unknown
  int64_t position = 0;     ///< before the call's tokens
  int64_t tokens = 0;       ///< of each sequence in this call
  bool givesStates = false; ///< a state was given
  /// A state was given whose length is the position from now on.
  bool givesLength = false;

private:
  void match(const HybridTensor *tensors, size_t count);
  void matchState(const HybridTensor &tensor);
  void requireInputs() const;
  void takeStates(const SessionPosition &session);
  void takeState(size_t index, int64_t &length, size_t &lengthFrom);
  void takeLength(const SessionPosition &session, int64_t length,
                  size_t lengthFrom);
  void bindSymbols(const SessionPosition &session);
  void bindFirstWanted(bool lastOnly);
  void bindSymbol(const SessionPosition &session, int symbol, int64_t value,
                  const std::string &input);
  void requireSymbols() const;
  void checkLeast() const;
  void computeShapes();
  void compareShapes() const;
  void countTokens();
  void checkRoom() const;
  void checkRanges() const;
  std::string bindings() const;
  uint64_t byteCount(const Value &value, const int64_t *dims) const;

  const Module &module;
  const Manifest &manifest;
  std::vector<const HybridTensor *> inputs, states;
  std::vector<int64_t> symbols; ///< -1: not bound
  std::vector<int64_t> shapes;
  std::vector<size_t> inputOffsets, outputOffsets;
};

/// Bytes of a dense tensor; throws RuntimeError(HYBRID_OVER_CAPACITY) when they
/// do not fit 63 bits.
uint64_t denseBytes(HybridDtype dtype, const int64_t *dims, size_t rank,
                    const char *name);

} // namespace hybrid

#endif // HYBRID_LIB_RUNTIME_BINDING_H
