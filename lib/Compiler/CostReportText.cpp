//===- CostReportText.cpp - the report as tables --------------------------===//

#include "CostReport.h"

#include "llvm/Support/Format.h"

namespace hybrid {
namespace {

/// A number with three digits and a prefix: 1.23 G.
std::string withPrefix(double value) {
  const char *prefixes[] = {"", "K", "M", "G", "T", "P"};
  size_t prefix = 0;
  for (; value >= 999.5 && prefix + 1 < std::size(prefixes); ++prefix)
    value /= 1000;
  const char *format = prefix == 0 || value >= 99.95 ? "%.0f%s"
                       : value >= 9.995              ? "%.1f%s"
                                                     : "%.2f%s";
  char text[32];
  std::snprintf(text, sizeof(text), format, value, prefixes[prefix]);
  return text;
}

std::string inMilliseconds(double seconds) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.4f", seconds * 1e3);
  return text;
}

bool isMeasured(const CostPhase &phase) {
  return llvm::any_of(phase.launches, [](const CostRow &row) {
    return row.measured.has_value();
  });
}

class TextReport {
public:
  explicit TextReport(const CostReport &report) : report(report), os(text) {}
  std::string print();

private:
  void printStates();
  void printPhase(const CostPhase &phase);
  void printRows(const CostPhase &phase, llvm::StringRef title,
                 const std::vector<CostRow> &rows);
  void printRow(const CostPhase &phase, llvm::StringRef name,
                const CostRow &row);
  void printDecisions();

  const CostReport &report;
  std::string text;
  llvm::raw_string_ostream os;
};

void TextReport::printStates() {
  if (report.states.empty() || report.states.back().kinds.empty())
    return;
  os << "\nbytes of a sequence's states\n";
  os << llvm::format("%10s", "tokens");
  for (auto &[kind, bytes] : report.states.front().kinds)
    os << llvm::format("%12s", kind.c_str());
  os << llvm::format("%12s\n", "all");
  for (const StateBytes &state : report.states) {
    int64_t all = 0;
    os << llvm::format("%10lld", (long long)state.length);
    for (auto &[kind, bytes] : state.kinds) {
      all += bytes;
      os << llvm::format("%12s", withPrefix(bytes).c_str());
    }
    os << llvm::format("%12s\n", withPrefix(all).c_str());
  }
}

void TextReport::printRow(const CostPhase &phase, llvm::StringRef name,
                          const CostRow &row) {
  const double total = phase.total.prediction.seconds;
  std::string shown = name.str();
  if (shown.size() > 36)
    shown = shown.substr(0, 33) + "...";
  os << llvm::format("%-36s %8u %8s %8s", shown.c_str(), row.launches,
                     withPrefix(row.cost.flops).c_str(),
                     withPrefix(row.cost.exps).c_str())
     << llvm::format(" %8s %8s %8s", withPrefix(row.cost.getBytes()).c_str(),
                     withPrefix(row.cost.weightBytes).c_str(),
                     withPrefix(row.cost.stateBytes).c_str())
     << llvm::format(" %10s %5.1f%%  %-12s",
                     inMilliseconds(row.prediction.seconds).c_str(),
                     total > 0 ? 100 * row.prediction.seconds / total : 0.0,
                     getName(row.prediction.limit).str().c_str());
  if (row.measured)
    os << llvm::format(" %10s", inMilliseconds(*row.measured).c_str());
  os << "\n";
}

void TextReport::printRows(const CostPhase &phase, llvm::StringRef title,
                           const std::vector<CostRow> &rows) {
  os << llvm::format("%-36s %8s %8s %8s", title.str().c_str(), "launches",
                     "FLOPs", "exps")
     << llvm::format(" %8s %8s %8s %10s %6s  %-12s", "bytes", "weights",
                     "states", "ms", "share", "limit")
     << (isMeasured(phase) ? "   measured" : "") << "\n";
  for (const CostRow &row : rows)
    printRow(phase, row.kernel.empty() ? row.layer : row.kernel, row);
}

void TextReport::printPhase(const CostPhase &phase) {
  os << "\n" << phase.name << ": ";
  llvm::interleaveComma(phase.symbols, os, [&](const auto &symbol) {
    os << symbol.first << " = " << symbol.second;
  });
  os << "\n";
  printRows(phase, "layer", phase.layers);
  printRow(phase, "all", phase.total);
  os << "\n";
  printRows(phase, "kernel", phase.kernels);
  for (const std::string &kernel : phase.unknown)
    os << "not counted: " << kernel << ", whose sizes depend on data\n";
  os << "\npredicted ";
  llvm::interleaveComma(phase.devices, os, [&](const auto &device) {
    os << device.first << " " << inMilliseconds(device.second) << " ms";
  });
  os << "\n";
}

void TextReport::printDecisions() {
  llvm::StringRef pass;
  for (const Decision &decision : report.decisions) {
    if (decision.pass != pass)
      os << "\n" << decision.pass << "\n";
    pass = decision.pass;
    os << (decision.done ? "  done    " : "  refused ");
    if (!decision.node.empty())
      os << decision.node << ": ";
    os << decision.message;
    if (decision.count > 1)
      os << " (" << decision.count << " times)";
    os << "\n";
  }
}

std::string TextReport::print() {
  const DeviceLimits &device = report.devices[report.device];
  os << "model     " << report.model << "\n"
     << "device    " << device.title << " (" << device.source
     << "): " << withPrefix(device.matrix32) << "FLOP/s f32, "
     << withPrefix(device.matrix16) << "FLOP/s f16, "
     << withPrefix(device.bandwidth) << "B/s, "
     << llvm::format("%.2f us a launch\n", device.launch * 1e6) << "weights   "
     << withPrefix(report.weightBytes) << "B\n";
  printStates();
  for (const CostPhase &phase : report.phases)
    printPhase(phase);
  printDecisions();
  return text;
}

} // namespace

std::string CostReport::toText() const { return TextReport(*this).print(); }

} // namespace hybrid
