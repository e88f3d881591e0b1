//===- Compiler.h - everything that hybrid-compile does ---------*- C++ -*-===//

#ifndef HYBRID_COMPILER_COMPILER_H
#define HYBRID_COMPILER_COMPILER_H

#include "hybrid/Compiler/Report.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/raw_ostream.h"

#include <map>
#include <string>
#include <vector>

namespace hybrid {

/// Where a compilation stops, in order.
enum class Stage {
  ONNX,
  Hybrid,
  Schedule,
  /// Ends as early as the report is complete, without any output but it.
  Report,
  Kernel,
  LLVM,
  /// The code of a GPU's kernels; for targets that are GPUs.
  PTX,
  Object,
  Bundle
};

/// The families of decomposed operators that CompileOptions::raise may name.
llvm::ArrayRef<llvm::StringRef> getRaisedFamilies();

struct CompileOptions {
  Stage stage = Stage::Bundle;
  /// "cpu", optionally ":" and what CPUTarget::parse takes; or "cuda:" and what
  /// GPUTarget::parse takes.
  std::string target = "cpu";
  bool states = true;
  /// input:output, instead of the pairs recognised by name.
  std::vector<std::string> statePairs;
  int64_t maxBatch = 8, maxSeq = 2048, maxContext = 4096;
  /// name:capacity.
  std::vector<std::string> dims;
  /// "auto", "sequential", "merged" or "parallel".
  std::string branchForm = "auto";
  /// "auto", "sequential", "chunked" or "associative", where the model has a
  /// choice; the steps of a chunk, 0 for the cheapest.
  std::string scanForm = "auto";
  int64_t scanChunk = 0;
  /// all, none, or families of decomposed operators; see getRaisedFamilies.
  std::vector<std::string> raise = {"all"};
  /// "none", "q8" or "q4": how weights that are only multiplied are stored.
  std::string quantize = "none";
  unsigned optLevel = 2;
  /// Print each phase's time to stderr as it ends.
  bool progress = false;
  /// Written once all else is. Level 3 must be reached.
  ReportOptions report;
};

/// What a compilation produced, for reports.
struct CompileReport {
  std::string target;
  unsigned numNodes = 0, numKernels = 0, numStates = 0;
  /// Places with parallel branches, in all entries.
  unsigned numParallels = 0;
  /// Launches per entry point, in the manifest's order.
  std::vector<std::pair<std::string, unsigned>> launches;
  /// Bytes of a sequence's states by kind, as the manifest names kinds.
  std::map<std::string, int64_t> stateBytes;
  /// Weights that are stored as integers, by form: "q4" and "q8".
  std::map<std::string, int64_t> quantizedWeights;
  int64_t weightBytes = 0, arenaBytes = 0, codeBytes = 0;
  /// Of a GPU: bytes of PTX and of machine code (0: no ptxas was found), and
  /// what ptxas says of it.
  int64_t ptxBytes = 0, cubinBytes = 0;
  std::string ptxasLog;
  /// Seconds per phase, in order.
  std::vector<std::pair<std::string, double>> phases;

  /// One JSON object.
  std::string toJSON() const;
  /// A table for people.
  std::string toText() const;
};

/// Compiles the ONNX file `input`. Text stages and objects go to `output` ("-"
/// is stdout), a bundle to the file `output`, through a temporary file, so that
/// a failed compilation leaves what was there. Diagnostics go to `errors`.
/// Returns true on success.
bool compile(llvm::StringRef input, llvm::StringRef output,
             const CompileOptions &options, llvm::raw_ostream &errors,
             CompileReport &report);

} // namespace hybrid

#endif // HYBRID_COMPILER_COMPILER_H
