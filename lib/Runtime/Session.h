//===- Session.h - states, buffers and runs ---------------------*- C++ -*-===//

#ifndef HYBRID_LIB_RUNTIME_SESSION_H
#define HYBRID_LIB_RUNTIME_SESSION_H

#include "Binding.h"
#include "Device.h"
#include "Memory.h"
#include "Sequence.h"
#include "StateLayout.h"

namespace hybrid {

/// Some sequences that a module works on. Memory is reserved when a size is
/// first seen and kept: a run of known sizes allocates nothing but the room for
/// what crop() replays.
class Session {
public:
  Session(std::shared_ptr<const Module> module,
          const HybridSessionOptions &options);

  void reset();
  void resetSequence(int64_t sequence);
  /// A session in the same position, with states of its own.
  std::unique_ptr<Session> fork() const;
  void forkSequence(int64_t to, const Session &source, int64_t from);
  /// Back to an earlier position of one sequence or, for -1, of all of them
  /// (Rewind.cpp).
  void crop(int64_t sequence, int64_t position);
  void checkpointEvery(int64_t tokens);
  /// Writes the states to a file, whole or not at all (Snapshot.cpp).
  void snapshot(const std::string &path) const;
  /// Takes batch, positions and states from a file that snapshot() wrote.
  void restore(const std::string &path);
  /// Runs all sequences (Run.cpp).
  void run(const HybridTensor *inputs, size_t numInputs, HybridTensor *outputs,
           size_t numOutputs);
  /// Runs some of them: row i is sequence ids[i].
  void runSequences(const int64_t *ids, size_t numIds,
                    const HybridTensor *inputs, size_t numInputs,
                    HybridTensor *outputs, size_t numOutputs);
  void output(size_t index, HybridTensor &tensor) const;
  void readState(HybridTensor &tensor);
  void writeStates(const HybridTensor *tensors, size_t count);

  const Module &module() const { return *owner; }
  /// Of the sequences that have the most tokens.
  int64_t position() const;
  /// -1 if there is no such sequence.
  int64_t position(int64_t sequence) const;
  int64_t batch() const { return boundBatch; }
  const char *entry() const;

  /// Before the memory that it gives out.
  const std::unique_ptr<Device> device;
  /// Runs want the outputs of their last position only.
  bool lastOnly = false;

private:
  /// Memory that grows and is never given back.
  struct Buffer {
    Mapping mapping;
    /// How many leading elements are known to be ones.
    uint64_t ones = 0;
  };

  /// What one call of an entry point does of a run: sequences that lie side by
  /// side in the states, and tokens that follow each other. The binding's
  /// position is that of the longest.
  struct Piece {
    explicit Piece(const Module &module) : binding(module) {}
    int64_t sequence = 0; ///< the first
    int64_t row = 0;      ///< the first of the run's tensors
    int64_t rows = 0;
    int64_t token = 0; ///< the first of the run's tokens
    Binding binding;
    /// The run's inputs, cut to the piece, and their memory.
    std::vector<HybridTensor> inputs;
    std::vector<std::vector<char>> copies;
  };

  using Pieces = std::vector<std::unique_ptr<Piece>>;

  int64_t numSequences(int64_t batch) const;
  bool isUneven() const;
  void requireSequence(int64_t sequence) const;
  SessionPosition positionOfAll() const;

  // Run.cpp
  void runRows(const HybridTensor *inputs, size_t numInputs,
               HybridTensor *outputs, size_t numOutputs, bool some);
  SessionPosition positionOfRows(bool some) const;
  int64_t startOfRow(size_t row) const;
  bool rowsAreUneven() const;
  bool takesUnevenRows() const;
  bool goesWith(size_t first, size_t row, int64_t tokens) const;
  bool goesAtOnce() const;
  int64_t tokensUntilCheckpoint(int64_t position, int64_t tokens) const;
  void split(Pieces &pieces);
  void cut(Piece &piece, int64_t start, int64_t tokens);
  void cutInput(Piece &piece, size_t index, const int64_t *dims);
  void joinShapes(const Pieces &pieces);
  void joinOutputs(const Piece &piece);
  void reserveInputs(const Binding &binding);
  void reserveOutputs(const HybridTensor *outputs, size_t count);
  void reserveJoined(const Pieces &pieces);
  void reserve(Buffer &buffer, uint64_t bytes, const std::string &name);
  void checkOutputs(const HybridTensor *outputs, size_t count);
  void checkOutput(const HybridTensor &tensor);
  void checkStateOutput(const State &state) const;
  void reserveStates(int64_t batch);
  void loadStates(const Binding &binding);
  void takePositions(const Binding &binding);
  void placeOutputs(const HybridTensor *outputs, size_t count);
  bool placeInputs(const Piece &piece);
  bool overlapsOutput(const void *data, uint64_t bytes) const;
  void fillPositions(const Piece &piece, size_t index, char *data) const;
  void fillStarts(const Piece &piece, char *data) const;
  void fillMask(const Piece &piece, size_t index, Buffer &buffer) const;
  void execute(const Piece &piece, void *const *results);
  void executeOnDevice(const Piece &piece, HybridCall call);
  void reserveOnDevice(const Binding &binding);
  void fetchOutputs(HybridTensor *outputs, size_t count);
  void fetchState(size_t index, HybridTensor &tensor);
  const int64_t *outputDims(size_t index) const {
    return outputShapes.data() + outputOffsets[index];
  }
  uint64_t outputBytes(size_t index) const;

  /// Calls `visit(data, bytes)` for the device's memory of each state of a sequence that
  /// does not keep all positions, in the manifest's order. States that no run
  /// has touched are left out.
  template <typename Visit>
  void visitFixedStates(int64_t sequence, Visit visit) const {
    for (size_t i = 0; i < states.size(); ++i)
      if (states[i].data() && !manifest.states[i].keepsAll())
        visitSequence(manifest.states[i], sequence, manifest.states[i].slots(),
                      [&](uint64_t offset, uint64_t bytes) {
                        visit(states[i].data() + offset, bytes);
                      });
  }

  // Rewind.cpp
  struct Rewinding;
  bool hasFixedStates() const;
  void findTokenInput();
  void advance(const Piece &piece, bool known);
  void remember(const Piece &piece, int64_t row, Sequence &sequence);
  void keepCheckpoint(int64_t sequence);
  Rewinding planCrop(int64_t sequence, int64_t position);
  void planReplay(Rewinding &rewinding);
  void rewind(Rewinding &rewinding);

  std::shared_ptr<const Module> owner;
  const Manifest &manifest;
  int64_t fixedBatch;
  int64_t boundBatch;  ///< 0: not bound, or the model has no batch
  int64_t every = 0;   ///< tokens between checkpoints; 0: none
  int tokenInput = -1; ///< whose ids alone say how to replay; -1: none does
  std::vector<Sequence> sequences;

  /// The sequences of the run in progress, and the run as one piece.
  std::vector<int64_t> rows;
  Piece whole;
  std::vector<int64_t> outputShapes; ///< of its outputs, one after another
  std::vector<size_t> outputOffsets;

  std::string deviceName;
  DeviceMemory arena;
  std::vector<DeviceMemory> states;
  /// What a device that does not share the host's memory has of the call's
  /// inputs and outputs.
  std::vector<DeviceMemory> inputCopies, outputCopies;
  /// Outgrown memory that the call in progress may still read.
  std::vector<Mapping> retired;
  std::vector<Buffer> inputBuffers, outputBuffers, pieceBuffers, stateBuffers;
  std::vector<void *> inputPointers, outputPointers, statePointers;
  std::vector<void *> piecePointers;
  std::vector<HybridTensor> lastOutputs;
  int lastEntry = -1;
};

} // namespace hybrid

struct HybridSession {
  std::unique_ptr<hybrid::Session> session;
};

#endif // HYBRID_LIB_RUNTIME_SESSION_H
