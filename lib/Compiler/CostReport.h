//===- CostReport.h - what a module at level 3 costs ------------*- C++ -*-===//

#ifndef HYBRID_LIB_COMPILER_COSTREPORT_H
#define HYBRID_LIB_COMPILER_COSTREPORT_H

#include "Decisions.h"
#include "hybrid/Compiler/Report.h"
#include "hybrid/Schedule/Targets.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

#include <map>

namespace hybrid {

/// A launch, or several of them: of one layer, or of one kernel.
struct CostRow {
  /// The kernels of the launches that run side by side, joined by "+".
  std::string kernel, layer, node;
  /// The kernels in the artifact, joined by "+"; empty if not known.
  std::string compiled;
  /// Launches, and the kernels in them.
  unsigned launches = 0, parts = 0;
  LaunchCost cost;
  Prediction prediction;
  /// Seconds; none if the profile does not say.
  std::optional<double> measured;
};

/// One call of one entry point.
struct CostPhase {
  std::string name, entry;
  /// New tokens of all sequences; whether it is a decode step.
  int64_t tokens = 0;
  bool isStep = false;
  std::map<std::string, int64_t> symbols;
  /// In the order in which they run; by layer, by kernel in order of time.
  std::vector<CostRow> launches, layers, kernels;
  CostRow total;
  /// Predicted seconds by device.
  std::vector<std::pair<std::string, double>> devices;
  /// Kernels whose sizes depend on data, which are not in any sum.
  std::vector<std::string> unknown;
};

/// Bytes of a sequence's states by kind once it holds `length` tokens.
struct StateBytes {
  int64_t length = 0;
  std::map<std::string, int64_t> kinds;
};

struct CostReport {
  std::string model;
  std::vector<DeviceLimits> devices;
  /// An index into devices.
  size_t device = 0;
  int64_t weightBytes = 0;
  std::vector<StateBytes> states;
  std::vector<CostPhase> phases;
  std::vector<Decision> decisions;

  llvm::json::Object toJSON() const;
  /// Tables for people.
  std::string toText() const;
  /// One page that needs nothing else.
  std::string toHTML() const;
};

/// The costs of `module`, which is at level 3. Fails if an option asks for more
/// tokens than the module is compiled for, or names no device, or if a file
/// that it names cannot be read.
llvm::Expected<CostReport> buildCostReport(mlir::ModuleOp module,
                                           const ReportOptions &options);

/// Takes the kernels' names in the artifact from `module`, the same at level 4.
void addCompiledNames(CostReport &report, mlir::ModuleOp module);

/// Adds times that `hybrid-run --bench --per-kernel --json` printed into the
/// file, where a phase and a kernel, by its compiled name, have them.
llvm::Error addProfile(CostReport &report, llvm::StringRef file);

/// The text of a file; the error names it.
llvm::Expected<std::string> readText(llvm::StringRef file);

} // namespace hybrid

#endif // HYBRID_LIB_COMPILER_COSTREPORT_H
