//===- Bench.cpp - times of prefill, decode and kernels -------------------===//
//
// A repetition is: reset the session, then run the steps. Steps are either the
// given npz files, or a prefill and decode steps on made inputs. Medians over
// the repetitions are reported; one more, counted repetition gives the launches
// and the times of kernels.
//
//===----------------------------------------------------------------------===//

#include "Commands.h"
#include "hybrid/Runtime/Numbers.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <random>
#include <sys/resource.h>

using namespace hybrid;

namespace {

/// Consecutive runs that are reported together: "prefill", "decode", ….
struct Phase {
  std::string name;
  std::vector<RunInputs> steps;
  int64_t tokens = 0;        ///< of all sequences and steps; 0: not counted
  std::vector<double> times; ///< of all steps, one per repetition
  double median = 0;
  std::string entry;
  double profiledTime = 0; ///< of all steps in the counted repetition
  std::vector<HybridKernelStats> kernels; ///< from the counted repetition
};

double medianOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 ? values[half]
                           : (values[half - 1] + values[half]) / 2;
}

/// Makes inputs from a seed.
class InputMaker {
public:
  InputMaker(const Options &options, const HybridModule *module)
      : options(options), module(module), symbols(symbolsOf(module)),
        inputs(inputsOf(module)), random(uint64_t(options.seed)) {
    checkDims();
  }

  /// The inputs of a call with `seq` tokens in sessions at `position`, but for
  /// those that the runtime supplies. Adds the number of tokens to `tokens`.
  RunInputs make(int64_t batch, int64_t seq, int64_t position,
                 int64_t &tokens) {
    std::vector<int64_t> values;
    for (const HybridSymbolInfo &symbol : symbols)
      values.push_back(valueOf(symbol, batch, seq, position));
    std::vector<HybridTensor> shapes(inputs.size());
    check(hybrid_module_shapes(module, values.data(), shapes.data(), nullptr));
    RunInputs result;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const std::string role = inputs[i].role;
      if (role == "tokens")
        tokens += int64_t(shapes[i].bytes / hybrid_dtype_size(inputs[i].dtype));
      if (role != "position_ids" && role != "attention_mask")
        result.add(fill(inputs[i], shapes[i]));
    }
    return result;
  }

private:
  void checkDims() const {
    for (const auto &dim : options.dims) {
      bool known = false;
      for (const HybridSymbolInfo &symbol : symbols)
        known |= dim.first == symbol.name && !std::strcmp(symbol.role, "dim");
      if (!known)
        throw ToolError("--dim: the model has no free dimension '" + dim.first +
                        "'");
    }
  }

  int64_t valueOf(const HybridSymbolInfo &symbol, int64_t batch, int64_t seq,
                  int64_t position) const {
    const std::string role = symbol.role;
    if (role == "batch")
      return batch;
    if (role == "seq")
      return seq;
    if (role == "past")
      return position;
    if (role == "from")
      return 0; // inputs do not depend on it
    const auto given = options.dims.find(symbol.name);
    return given == options.dims.end() ? 1 : given->second;
  }

  NpyArray fill(const HybridValueInfo &info, const HybridTensor &shape) {
    NpyArray array;
    array.name = info.name;
    array.dtype = info.dtype;
    array.dims.assign(shape.dims, shape.dims + shape.rank);
    array.data.resize(shape.bytes);
    const size_t count = shape.bytes / hybrid_dtype_size(info.dtype);
    std::uniform_real_distribution<double> real(-1, 1);
    std::uniform_int_distribution<int64_t> integer(
        info.has_range ? std::max<int64_t>(info.min, 0) : 0,
        info.has_range ? std::max<int64_t>(info.max, 0) : 1);
    for (size_t i = 0; i < count; ++i)
      storeAt(info.dtype, &array.data[0], i,
              isFloat(info.dtype) ? real(random) : double(integer(random)));
    return array;
  }

  const Options &options;
  const HybridModule *module;
  std::vector<HybridSymbolInfo> symbols;
  std::vector<HybridValueInfo> inputs;
  std::mt19937_64 random;
};

class Bench {
public:
  explicit Bench(const Options &options) : options(options) {
    const double begin = milliseconds();
    module = openModule(options);
    loadTime = milliseconds() - begin;
    session = createSession(module.get(), options, 0);
    check(hybrid_session_last_only(session.get(), options.lastOnly));
    states = statesOf(module.get());
  }

  int run() {
    if (options.inputs.empty())
      makePhases();
    else
      readPhases();
    repetition(/*keep=*/false); // warms caches and touches memory
    for (int64_t i = 0; i < options.repeat; ++i)
      repetition(/*keep=*/true);
    for (Phase &phase : phases)
      phase.median = medianOf(phase.times);
    countedRepetition();
    timeForks();
    check(hybrid_session_launch_overhead(session.get(), &emptyLaunch));
    if (options.json)
      printJson(json());
    else
      print();
    return 0;
  }

private:
  //===--- What runs ------------------------------------------------------===//

  void readPhases() {
    for (size_t i = 0; i < options.inputs.size(); ++i) {
      Phase phase;
      phase.name = "run " + std::to_string(i);
      phase.steps.emplace_back(module.get(), options.inputs[i]);
      phases.push_back(std::move(phase));
    }
  }

  /// The smallest capacity of what limits a session's length.
  int64_t roomFor(const char *role) const {
    int64_t room = INT64_MAX;
    for (const HybridSymbolInfo &symbol : symbolsOf(module.get()))
      if (std::string(symbol.role) == role)
        room = symbol.capacity;
    return room;
  }

  int64_t positions() const {
    int64_t room = roomFor("past");
    for (const HybridStateInfo &state : states)
      if (state.length_axis >= 0)
        room = std::min(room, state.dims[state.length_axis]);
    return room;
  }

  void makePhases() {
    InputMaker maker(options, module.get());
    const int64_t batch = options.batch ? options.batch : 1;
    const int64_t prompt =
        options.promptLength >= 0
            ? options.promptLength
            : std::min<int64_t>(
                  {128, roomFor("seq"), std::max<int64_t>(1, positions() / 2)});
    Phase prefill;
    prefill.name = states.empty() ? "main" : "prefill";
    prefill.steps.push_back(maker.make(batch, prompt, 0, prefill.tokens));
    phases.push_back(std::move(prefill));
    if (states.empty() || roomFor("seq") == INT64_MAX)
      return;
    Phase decode;
    decode.name = "decode";
    const int64_t steps = options.decodeSteps >= 0
                              ? options.decodeSteps
                              : std::min<int64_t>(64, positions() - prompt);
    for (int64_t i = 0; i < steps; ++i)
      decode.steps.push_back(maker.make(batch, 1, prompt + i, decode.tokens));
    if (steps)
      phases.push_back(std::move(decode));
  }

  void runPhase(Phase &phase) {
    for (RunInputs &step : phase.steps) {
      const std::vector<HybridTensor> &tensors = step.tensors();
      check(hybrid_session_run(session.get(), tensors.data(), tensors.size(),
                               nullptr, 0));
    }
    phase.entry = hybrid_session_entry(session.get());
  }

  void repetition(bool keep) {
    check(hybrid_session_reset(session.get()));
    for (Phase &phase : phases) {
      const double begin = milliseconds();
      runPhase(phase);
      if (keep)
        phase.times.push_back(milliseconds() - begin);
    }
  }

  void countedRepetition() {
    check(hybrid_session_reset(session.get()));
    for (Phase &phase : phases) {
      check(hybrid_session_profile(session.get(), 1));
      const double begin = milliseconds();
      runPhase(phase);
      phase.profiledTime = milliseconds() - begin;
      phase.kernels.resize(hybrid_module_num_kernels(module.get()));
      for (size_t i = 0; i < phase.kernels.size(); ++i)
        check(hybrid_session_kernel_stats(session.get(), i, &phase.kernels[i]));
    }
    check(hybrid_session_profile(session.get(), 0));
  }

  /// A copy of all sequences as they are after the last repetition.
  void timeForks() {
    if (states.empty())
      return;
    std::vector<double> times;
    for (int64_t i = 0; i < options.repeat; ++i) {
      const double begin = milliseconds();
      HybridSession *copy = nullptr;
      check(hybrid_session_fork(session.get(), &copy));
      times.push_back(milliseconds() - begin);
      hybrid_session_close(copy);
    }
    forkTime = medianOf(times);
  }

  //===--- What is reported -----------------------------------------------===//

  static uint64_t launches(const Phase &phase) {
    uint64_t count = 0;
    for (const HybridKernelStats &stats : phase.kernels)
      count += stats.launches;
    return count;
  }

  static double kernelTime(const Phase &phase) {
    uint64_t nanoseconds = 0;
    for (const HybridKernelStats &stats : phase.kernels)
      nanoseconds += stats.nanoseconds;
    return double(nanoseconds) * 1e-6;
  }

  static double stepTime(const Phase &phase) {
    return phase.median / double(phase.steps.size());
  }

  /// GB/s if each step reads all weights once.
  double weightRate(const Phase &phase) const {
    return double(hybrid_module_weights_bytes(module.get())) / stepTime(phase) *
           1e-6;
  }

  static double peakMemory() {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return double(usage.ru_maxrss) / 1024;
  }

  /// Kernels that ran, the most expensive first.
  static std::vector<size_t> order(const Phase &phase) {
    std::vector<size_t> indices;
    for (size_t i = 0; i < phase.kernels.size(); ++i)
      if (phase.kernels[i].launches)
        indices.push_back(i);
    std::stable_sort(indices.begin(), indices.end(), [&](size_t a, size_t b) {
      return phase.kernels[a].nanoseconds > phase.kernels[b].nanoseconds;
    });
    return indices;
  }

  Json kernelsJson(const Phase &phase) const {
    Json list = Json::array();
    for (size_t i : order(phase))
      list.push_back(
          {{"name", hybrid_module_kernel(module.get(), i)},
           {"launches", phase.kernels[i].launches},
           {"blocks", phase.kernels[i].blocks},
           {"milliseconds", double(phase.kernels[i].nanoseconds) * 1e-6}});
    return list;
  }

  Json phaseJson(const Phase &phase) const {
    Json json = {{"name", phase.name},
                 {"entry", phase.entry},
                 {"steps", phase.steps.size()},
                 {"tokens", phase.tokens},
                 {"milliseconds", phase.median},
                 {"milliseconds_best",
                  *std::min_element(phase.times.begin(), phase.times.end())},
                 {"milliseconds_per_step", stepTime(phase)},
                 {"launches_per_step",
                  double(launches(phase)) / double(phase.steps.size())},
                 {"profiled_milliseconds", phase.profiledTime},
                 {"kernel_milliseconds", kernelTime(phase)},
                 {"weights_gb_per_second", weightRate(phase)}};
    if (phase.tokens)
      json["tokens_per_second"] = double(phase.tokens) / phase.median * 1e3;
    if (options.perKernel)
      json["kernels"] = kernelsJson(phase);
    return json;
  }

  Json json() const {
    Json list = Json::array();
    for (const Phase &phase : phases)
      list.push_back(phaseJson(phase));
    return {{"model", options.model},
            {"threads", hybrid_session_threads(session.get())},
            {"repeat", options.repeat},
            {"logits", options.lastOnly ? "last" : "all"},
            {"load_milliseconds", loadTime},
            {"empty_launch_microseconds", emptyLaunch * 1e-3},
            {"weights_bytes", hybrid_module_weights_bytes(module.get())},
            {"peak_memory_mib", peakMemory()},
            {"fork_milliseconds", forkTime},
            {"phases", list}};
  }

  void print() const {
    std::printf("%d threads, load %.2f ms, empty launch %.2f us, peak memory "
                "%.1f MiB, median of %" PRId64 "\n\n",
                hybrid_session_threads(session.get()), loadTime,
                emptyLaunch * 1e-3, peakMemory(), options.repeat);
    std::printf("%-10s %-8s %7s %11s %11s %9s %10s %9s\n", "phase", "entry",
                "steps", "ms/step", "tok/s", "launches", "in kernels",
                "weights");
    for (const Phase &phase : phases)
      printPhase(phase);
    if (!states.empty())
      std::printf("fork of the session at position %" PRId64 ": %.4f ms\n",
                  hybrid_session_position(session.get()), forkTime);
    if (!options.perKernel)
      return;
    for (const Phase &phase : phases)
      printKernels(phase);
  }

  void printPhase(const Phase &phase) const {
    char rate[32] = "-";
    if (phase.tokens)
      std::snprintf(rate, sizeof(rate), "%.1f",
                    double(phase.tokens) / phase.median * 1e3);
    std::printf("%-10s %-8s %7zu %11.4f %11s %9.1f %9.1f%% %6.2f GB/s\n",
                phase.name.c_str(), phase.entry.c_str(), phase.steps.size(),
                stepTime(phase), rate,
                double(launches(phase)) / double(phase.steps.size()),
                100 * kernelTime(phase) / phase.profiledTime,
                weightRate(phase));
  }

  void printKernels(const Phase &phase) const {
    std::printf("\n%-40s %9s %11s %11s %10s %7s\n",
                ("kernels of " + phase.name).c_str(), "launches", "blocks",
                "ms", "us/launch", "share");
    const double total = kernelTime(phase);
    for (size_t i : order(phase)) {
      const HybridKernelStats &stats = phase.kernels[i];
      const double time = double(stats.nanoseconds) * 1e-6;
      std::printf("%-40s %9" PRIu64 " %11" PRIu64 " %11.4f %10.2f %6.1f%%\n",
                  hybrid_module_kernel(module.get(), i), stats.launches,
                  stats.blocks, time, time * 1e3 / double(stats.launches),
                  100 * time / total);
    }
  }

  const Options &options;
  ModulePtr module;
  SessionPtr session;
  std::vector<HybridStateInfo> states;
  std::vector<Phase> phases;
  double loadTime = 0, emptyLaunch = 0, forkTime = 0;
};

} // namespace

int hybrid::bench(const Options &options) { return Bench(options).run(); }
