//===- CostReport.cpp - what a module at level 3 costs --------------------===//

#include "CostReport.h"

#include "Manifest.h"
#include "hybrid/Conversion/ScheduleToKernel/Passes.h"
#include "hybrid/Schedule/Layers.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace mlir;

namespace hybrid {
namespace {

/// The module's symbols by role.
struct Symbols {
  struct Symbol {
    std::string name, role;
    int64_t capacity;
  };
  std::vector<Symbol> all;

  explicit Symbols(ModuleOp module) {
    auto attr = module->getAttrOfType<ArrayAttr>(kSymbolsAttr);
    for (Attribute element : attr ? attr.getValue() : ArrayRef<Attribute>()) {
      auto info = cast<DictionaryAttr>(element);
      all.push_back({info.getAs<StringAttr>("name").str(),
                     info.getAs<StringAttr>("role").str(),
                     info.getAs<IntegerAttr>("capacity").getInt()});
    }
  }
  const Symbol *find(StringRef role) const {
    auto it = llvm::find_if(
        all, [&](const Symbol &symbol) { return symbol.role == role; });
    return it == all.end() ? nullptr : &*it;
  }
};

/// Costs the calls of one module.
class ReportBuilder {
public:
  ReportBuilder(ModuleOp module, const ReportOptions &options,
                CostReport &report)
      : module(module), options(options), report(report), kernels(module),
        symbols(module) {}

  llvm::Error run();

private:
  llvm::Error loadLimits();
  llvm::Error addPhases();
  llvm::Expected<std::vector<int64_t>>
  getSizes(const std::vector<int64_t> &asked, std::vector<int64_t> usual,
           int64_t capacity, StringRef option, StringRef capacityOption) const;
  void addPhase(func::FuncOp entry, bool isStep, int64_t seq, int64_t past);
  bool seedParameters(func::FuncOp entry, ShapeEvaluator &evaluator,
                      const llvm::StringMap<int64_t> &values);
  void addLaunches(CostPhase &phase, func::FuncOp entry,
                   ShapeEvaluator &evaluator);
  void addSums(CostPhase &phase);
  void addStates();
  void addWeights();

  ModuleOp module;
  const ReportOptions &options;
  CostReport &report;
  SymbolTable kernels;
  Symbols symbols;
};

} // namespace

llvm::Error ReportBuilder::loadLimits() {
  report.devices = loadDevices(module.getContext());
  auto device = llvm::find_if(report.devices, [&](const DeviceLimits &limits) {
    return limits.name == options.device;
  });
  if (device == report.devices.end()) {
    std::string names;
    for (const DeviceLimits &limits : report.devices)
      names += (names.empty() ? "" : ", ") + limits.name;
    return llvm::createStringError("no device '" + options.device +
                                   "' is described; there are " + names);
  }
  report.device = device - report.devices.begin();
  if (options.limits.empty())
    return llvm::Error::success();
  auto text = readText(options.limits);
  if (!text)
    return text.takeError();
  if (auto error = applyLimits(*device, *text))
    return llvm::createStringError("the limits in '" + options.limits +
                                   "': " + toString(std::move(error)));
  return llvm::Error::success();
}

/// Of the usual sizes those that the model is compiled for, at least one.
llvm::Expected<std::vector<int64_t>>
ReportBuilder::getSizes(const std::vector<int64_t> &asked,
                        std::vector<int64_t> usual, int64_t capacity,
                        StringRef option, StringRef capacityOption) const {
  for (int64_t size : asked)
    if (size < 1 || size > capacity)
      return llvm::createStringError(
          option + "=" + Twine(size) + " is not between 1 and " +
          Twine(capacity) + ", what the model is compiled for" +
          (size > capacity ? " (" + capacityOption + " raises it)" : ""));
  if (!asked.empty())
    return asked;
  for (int64_t &size : usual)
    size = std::min(size, capacity);
  usual.erase(std::unique(usual.begin(), usual.end()), usual.end());
  return usual;
}

bool ReportBuilder::seedParameters(func::FuncOp entry,
                                   ShapeEvaluator &evaluator,
                                   const llvm::StringMap<int64_t> &values) {
  // Sizes are expressions over symbols, which fold to numbers.
  Block scratch;
  OpBuilder builder(entry.getContext());
  builder.setInsertionPointToStart(&scratch);
  auto getSymbol = [&](StringRef name) -> Value {
    auto value = values.find(name);
    if (value == values.end())
      return {};
    return arith::ConstantIndexOp::create(builder, entry.getLoc(),
                                          value->second);
  };
  for (BlockArgument parameter : entry.getArguments()) {
    auto dims = entry.getArgAttrOfType<ArrayAttr>(parameter.getArgNumber(),
                                                  "hybrid.dims");
    if (!dims)
      continue;
    auto sizes = buildDims(builder, entry.getLoc(), dims, getSymbol);
    if (failed(sizes))
      return false;
    ShapeEvaluator::Shape shape;
    for (OpFoldResult size : *sizes)
      if (auto number = getConstantIntValue(size))
        shape.push_back(*number);
    if (shape.size() == sizes->size())
      evaluator.setShape(parameter, shape);
  }
  return true;
}

void ReportBuilder::addLaunches(CostPhase &phase, func::FuncOp entry,
                                ShapeEvaluator &evaluator) {
  DenseMap<Operation *, std::string> layers = getLayers(entry);
  Attribute group;
  for (LaunchOp launch : entry.getBody().front().getOps<LaunchOp>()) {
    std::optional<LaunchCost> cost = getLaunchCost(launch, evaluator, kernels);
    if (!cost) {
      phase.unknown.push_back(launch.getKernel().str());
      cost.emplace();
    }
    Attribute own = launch->getAttr(kGroupAttr);
    if (!own || own != group) {
      CostRow row;
      row.kernel = launch.getKernel().str();
      row.layer = layers[launch];
      launch.getLoc()->walk([&](Location inner) {
        if (auto named = dyn_cast<NameLoc>(inner))
          row.node = named.getName().str();
        return row.node.empty() ? WalkResult::advance()
                                : WalkResult::interrupt();
      });
      row.launches = 1;
      phase.launches.push_back(std::move(row));
    } else {
      phase.launches.back().kernel += "+" + launch.getKernel().str();
    }
    group = own;
    CostRow &row = phase.launches.back();
    ++row.parts;
    row.cost += *cost;
  }
  for (CostRow &row : phase.launches)
    row.prediction = predict(row.cost, report.devices[report.device]);
}

/// Adds `row` to `sum`, whose limit is the one that binds the most time of it.
static void addRow(CostRow &sum, std::array<double, 4> &times,
                   const CostRow &row) {
  sum.launches += row.launches;
  sum.parts += row.parts;
  sum.cost += row.cost;
  sum.prediction.seconds += row.prediction.seconds;
  times[size_t(row.prediction.limit)] += row.prediction.seconds;
  sum.prediction.limit =
      Limit(std::max_element(times.begin(), times.end()) - times.begin());
}

/// Layers by number, what comes before and after them around.
static std::pair<int, int64_t> getLayerOrder(StringRef layer) {
  int64_t number;
  if (!layer.getAsInteger(10, number))
    return {2, number};
  return {layer == "shared" ? 0 : layer == "embedding" ? 1 : 3, 0};
}

void ReportBuilder::addSums(CostPhase &phase) {
  struct Sum {
    CostRow row;
    std::array<double, 4> times = {};
  };
  llvm::MapVector<StringRef, Sum, llvm::StringMap<unsigned>> layers, byKernel;
  Sum total;
  for (const CostRow &launch : phase.launches) {
    Sum &layer = layers[launch.layer], &kernel = byKernel[launch.kernel];
    layer.row.layer = launch.layer;
    kernel.row.kernel = launch.kernel;
    for (Sum *sum : {&layer, &kernel, &total})
      addRow(sum->row, sum->times, launch);
  }
  for (auto &[name, sum] : layers)
    phase.layers.push_back(sum.row);
  for (auto &[name, sum] : byKernel)
    phase.kernels.push_back(sum.row);
  phase.total = total.row;
  llvm::stable_sort(phase.layers, [](const CostRow &a, const CostRow &b) {
    return getLayerOrder(a.layer) < getLayerOrder(b.layer);
  });
  llvm::stable_sort(phase.kernels, [](const CostRow &a, const CostRow &b) {
    return a.prediction.seconds > b.prediction.seconds;
  });
  for (const DeviceLimits &device : report.devices) {
    double seconds = 0;
    for (const CostRow &launch : phase.launches)
      seconds += predict(launch.cost, device).seconds;
    phase.devices.emplace_back(device.name, seconds);
  }
}

void ReportBuilder::addPhase(func::FuncOp entry, bool isStep, int64_t seq,
                             int64_t past) {
  CostPhase phase;
  phase.entry = entry.getName().str();
  phase.name = phase.entry + " " + std::to_string(past + seq);
  phase.isStep = isStep;
  phase.tokens = options.batch * seq;
  llvm::StringMap<int64_t> values;
  for (const Symbols::Symbol &symbol : symbols.all) {
    int64_t value = symbol.role == "batch"  ? options.batch
                    : symbol.role == "seq"  ? seq
                    : symbol.role == "past" ? past
                    : symbol.role == "from" ? (options.allLogits ? 0 : seq - 1)
                                            : symbol.capacity;
    values[symbol.name] = phase.symbols[symbol.name] = value;
  }
  ShapeEvaluator evaluator(values, options.batch);
  if (!seedParameters(entry, evaluator, values))
    return;
  addLaunches(phase, entry, evaluator);
  addSums(phase);
  report.phases.push_back(std::move(phase));
}

llvm::Error ReportBuilder::addPhases() {
  const Symbols::Symbol *seq = symbols.find("seq"),
                        *past = symbols.find("past"),
                        *batch = symbols.find("batch");
  if (options.batch < 1 || (batch && options.batch > batch->capacity))
    return llvm::createStringError(
        "--report-batch=" + Twine(options.batch) + " is not between 1 and " +
        Twine(batch ? batch->capacity : 1) +
        ", what the model is compiled for (--max-batch raises it)");
  auto seqs = getSizes(options.seqs, {512, 2048}, seq ? seq->capacity : 1,
                       "--report-seq", "--max-seq");
  if (!seqs)
    return seqs.takeError();
  // Without a symbol for the tokens so far, a step costs the same after any.
  auto contexts =
      getSizes(options.contexts,
               past ? std::vector<int64_t>{512, 4096} : std::vector<int64_t>{1},
               past ? past->capacity : std::numeric_limits<int64_t>::max(),
               "--report-context", "--max-context");
  if (!contexts)
    return contexts.takeError();
  for (auto entry : module.getOps<func::FuncOp>()) {
    if (!entry->hasAttr(kEntryAttr) || !entry.getBody().hasOneBlock())
      continue;
    // One that takes one token at a time is a decode step, whatever its name.
    bool isStep = entry.getName() == "decode" || (past && !seq);
    for (int64_t size : isStep ? *contexts : *seqs)
      addPhase(entry, isStep, isStep ? 1 : size, isStep ? size - 1 : 0);
  }
  return llvm::Error::success();
}

void ReportBuilder::addStates() {
  const Symbols::Symbol *past = symbols.find("past");
  std::vector<int64_t> lengths = {0};
  for (int64_t length = 1024; past && length < past->capacity; length *= 4)
    lengths.push_back(length);
  if (past)
    lengths.push_back(past->capacity);
  for (int64_t length : lengths)
    report.states.push_back({length, getStateBytes(module, length)});
}

void ReportBuilder::addWeights() {
  // Entries share weights; constants that folding made are code.
  llvm::StringMap<int64_t> bytes;
  module.walk(
      [&](WeightOp weight) { bytes[weight.getName()] = weight.getLength(); });
  // Of a weight in integers only these are stored, here under its first part.
  module.walk([&](PackWeightsOp pack) {
    if (!pack.getQuantization())
      return;
    int64_t stored =
        cast<RankedTensorType>(pack.getResult().getType()).getNumElements();
    SmallVector<Operation *> sources = {pack.getWeight().getDefiningOp()};
    while (!sources.empty()) {
      Operation *source = sources.pop_back_val();
      if (auto weight = dyn_cast<WeightOp>(source))
        bytes[weight.getName()] = std::exchange(stored, 0);
      for (Value operand : source->getOperands())
        if (Operation *next = operand.getDefiningOp())
          sources.push_back(next);
    }
  });
  for (const auto &entry : bytes)
    report.weightBytes += entry.second;
}

llvm::Error ReportBuilder::run() {
  if (auto error = loadLimits())
    return error;
  if (auto error = addPhases())
    return error;
  addStates();
  addWeights();
  return llvm::Error::success();
}

llvm::Expected<CostReport> buildCostReport(ModuleOp module,
                                           const ReportOptions &options) {
  CostReport report;
  if (auto error = ReportBuilder(module, options, report).run())
    return error;
  return report;
}

/// Whether the launch of `name` at level 4 begins that of `row`: specialised
/// kernels have a number behind their name.
static bool begins(const CostRow &row, StringRef name) {
  if (row.parts > 1)
    return name.starts_with("group_");
  return name.consume_front(row.kernel) &&
         (name.empty() || name.consume_front("_")) &&
         llvm::all_of(name, llvm::isDigit);
}

/// Launches keep their order; groups may have been split. False if they are not
/// those of the rows.
static bool addCompiledNames(std::vector<CostRow> &rows,
                             ArrayRef<StringRef> names) {
  for (size_t i = 0; i < rows.size(); ++i) {
    if (names.empty() || !begins(rows[i], names.front()))
      return false;
    rows[i].compiled = names.consume_front().str();
    bool isLast = i + 1 == rows.size();
    while (!names.empty() && rows[i].parts > 1 &&
           (isLast || !begins(rows[i + 1], names.front())))
      rows[i].compiled += "+" + names.consume_front().str();
  }
  return names.empty();
}

void addCompiledNames(CostReport &report, ModuleOp module) {
  for (CostPhase &phase : report.phases) {
    auto entry = module.lookupSymbol<func::FuncOp>(phase.entry);
    if (!entry)
      continue;
    std::vector<StringRef> names;
    entry.walk([&](LaunchOp launch) {
      // Copies are no rows.
      if (!launch.getKernel().starts_with("copy_"))
        names.push_back(launch.getKernel());
    });
    if (!addCompiledNames(phase.launches, names))
      for (CostRow &row : phase.launches)
        row.compiled.clear();
  }
}

llvm::Expected<std::string> readText(StringRef file) {
  auto buffer = llvm::MemoryBuffer::getFile(file, /*IsText=*/true);
  if (!buffer)
    return llvm::createStringError("cannot read '" + file +
                                   "': " + buffer.getError().message());
  return (*buffer)->getBuffer().str();
}

} // namespace hybrid
