//===- Report.h - what a model costs, and why -------------------*- C++ -*-===//

#ifndef HYBRID_COMPILER_REPORT_H
#define HYBRID_COMPILER_REPORT_H

#include <cstdint>
#include <string>
#include <vector>

namespace hybrid {

enum class ReportFormat { None, Text, JSON, HTML };

/// What a report is about; see docs/report.md.
struct ReportOptions {
  ReportFormat format = ReportFormat::None;
  /// Where it goes; "-" is the standard output.
  std::string file = "-";
  /// Tokens of the prefills, and positions after the decode steps, that are
  /// costed; without any 512 and 2048, and 512 and 4096, as far as the model
  /// is compiled for so many.
  std::vector<int64_t> seqs, contexts;
  /// Sequences of a call.
  int64_t batch = 1;
  /// Whether prefills compute the outputs of all tokens, not of the last alone.
  bool allLogits = false;
  /// The device of the predicted times, a name of lib/Schedule/targets.mlir.
  std::string device = "cpu";
  /// JSON files with measured limits of that device, and with what
  /// `hybrid-run --bench --per-kernel --json` measured; empty: none.
  std::string limits, profile;
};

} // namespace hybrid

#endif // HYBRID_COMPILER_REPORT_H
