//===- Manifest.h - the manifest of an artifact -----------------*- C++ -*-===//
//
// The manifest of a `.hyb` file (docs/artifact.md) as structures. Parsing
// checks every field that the runtime relies on, so that code behind it need
// not.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_RUNTIME_MANIFEST_H
#define HYBRID_RUNTIME_MANIFEST_H

#include "hybrid/Runtime/Runtime.h"

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace hybrid {

/// A failure with the status that the C API reports for it. Thrown inside
/// LLVM-free code only.
class RuntimeError : public std::runtime_error {
public:
  RuntimeError(HybridStatus status, const std::string &message)
      : std::runtime_error(message), status(status) {}
  HybridStatus status;
};

enum class SymbolRole { Batch, Seq, Past, From, Dim };
enum class InputRole { Tokens, PositionIds, AttentionMask, Positions, Data };
enum class CacheKind { KV, KVWindow, Conv, Recurrent };

struct Symbol {
  std::string name;
  SymbolRole role;
  int64_t capacity;
};

/// One dimension of an input or output: a number, a symbol that stands alone,
/// or an expression that only the artifact's shapes function computes.
struct Dim {
  int64_t value = -1; ///< >= 0 for a number
  int symbol = -1;    ///< >= 0 for a symbol: its index
  /// The positions that the call wants: the symbol of role `seq` minus that of
  /// role `from`.
  bool isWanted = false;
  std::string text; ///< as in the manifest
};

/// An input or output.
struct Value {
  std::string name;
  HybridDtype dtype;
  std::vector<Dim> dims;
  InputRole role = InputRole::Data;
  bool hasRange = false;
  int64_t min = 0, max = 0;

  /// "int64 [batch, seq]".
  std::string typeText() const;
};

struct State {
  std::string name;    ///< of the graph input
  std::string present; ///< of the graph output; may be empty
  CacheKind kind;
  HybridDtype dtype;
  /// At full capacity; -1 (only first) where the batch stands.
  std::vector<int64_t> dims;
  int lengthAxis = -1;
  /// Of a ring (kv-window): how many of the last and of the first positions it
  /// keeps; 0 otherwise.
  int64_t window = 0, sinks = 0;

  bool hasBatch() const { return !dims.empty() && dims[0] == -1; }
  bool isRing() const { return window > 0; }
  /// Whether all positions so far are kept, so that it can be cut.
  bool keepsAll() const { return lengthAxis >= 0 && !isRing(); }
  /// Positions that there is memory for; 0 without a length.
  int64_t slots() const {
    if (lengthAxis < 0)
      return 0;
    return isRing() ? window + sinks : dims[size_t(lengthAxis)];
  }
  /// Bytes of memory for `batch` sequences.
  uint64_t bytes(int64_t batch) const;
};

struct Entry {
  std::string name, function, shapes;
  /// (symbol index, value) pairs that must hold.
  std::vector<std::pair<int, int64_t>> requirements;
};

struct Target {
  std::string device, triple, cpu;
  std::vector<std::string> features;
  std::string arch; ///< of the device cuda: sm_80, …
};

/// Code for a GPU: a symbol of the artifact's code.
struct Image {
  std::string format, symbol; ///< "cubin" or "ptx"
};

/// What a launch of a GPU's kernel asks for.
struct BlockShape {
  int64_t threads, sharedBytes;
};

struct Manifest {
  int64_t version = 0, abi = 0;
  std::string compiler, modelName;
  Target target;
  std::vector<Symbol> symbols;
  std::vector<Value> inputs, outputs;
  std::vector<State> states;
  std::vector<Entry> entries;
  std::vector<std::string> kernels;
  std::vector<Image> images;      ///< of the device cuda, the best one first
  std::vector<BlockShape> blocks; ///< of the device cuda, one per kernel
  uint64_t arenaBytes = 0, weightsBytes = 0;
  std::string codeHash, weightsHash;
  /// Indices into symbols; -1 if there is none of the role.
  int batchSymbol = -1, seqSymbol = -1, pastSymbol = -1, fromSymbol = -1;
  /// The last input where it has the role `positions`: int64 [batch], the
  /// position of each sequence before the call. Callers neither see nor give
  /// it. -1 if there is none: the sequences of a call share one position.
  int positionsInput = -1;

  /// The inputs that callers see stand first.
  size_t numGivenInputs() const {
    return inputs.size() - (positionsInput >= 0);
  }

  /// -1 if there is none. No input that callers do not see is found.
  int findInput(const char *name) const;
  int findOutput(const char *name) const;
  int findState(const char *name) const;   ///< by its input name
  int findPresent(const char *name) const; ///< by its present name
};

/// Parses and checks a manifest. Throws RuntimeError(HYBRID_BAD_FILE) naming
/// the field, or HYBRID_INCOMPATIBLE for another version of format or ABI.
Manifest parseManifest(const std::string &text);

/// "kv", "kv-window", "conv", "recurrent".
const char *cacheKindName(CacheKind kind);
/// "tokens", "position_ids", "attention_mask", "positions", "data".
const char *inputRoleName(InputRole role);
/// "batch", "seq", "past", "from", "dim".
const char *symbolRoleName(SymbolRole role);
/// False if there is no such dtype.
bool dtypeFromName(const std::string &name, HybridDtype &dtype);

/// a * b in `result`; false if that does not fit.
inline bool multiply(uint64_t a, uint64_t b, uint64_t &result) {
  return !__builtin_mul_overflow(a, b, &result);
}

} // namespace hybrid

#endif // HYBRID_RUNTIME_MANIFEST_H
