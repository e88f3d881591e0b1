//===- Run.cpp - runs in one session --------------------------------------===//

#include "Commands.h"
#include "Compare.h"

#include <cstdio>
#include <filesystem>

using namespace hybrid;

namespace {

/// The runs of one command line.
class Runner {
public:
  explicit Runner(const Options &options)
      : options(options), module(openModule(options)),
        session(createSession(module.get(), options, options.batch)),
        outputs(outputsOf(module.get())), states(statesOf(module.get())) {
    check(hybrid_session_last_only(session.get(), options.lastOnly));
  }

  int runAll() {
    Json runs = Json::array();
    if (!options.outputs.empty())
      makeDirectory();
    if (!options.restore.empty())
      restoreSession(session.get(), options);
    for (size_t i = 0; i < options.inputs.size(); ++i)
      runs.push_back(runOne(i));
    if (!options.snapshot.empty())
      check(hybrid_session_snapshot(session.get(), options.snapshot.c_str()));
    if (options.json)
      printJson({{"runs", runs}, {"ok", ok}});
    return ok ? 0 : 1;
  }

private:
  void makeDirectory() {
    std::error_code error;
    std::filesystem::create_directories(options.outputs, error);
    if (error)
      throw ToolError("cannot create the directory '" + options.outputs +
                      "': " + error.message());
  }

  Json runOne(size_t index) {
    RunInputs inputs(module.get(), options.inputs[index]);
    std::vector<NpyArray> expected;
    if (!options.compare.empty()) {
      const std::string error = readNpz(options.compare[index], expected);
      if (!error.empty())
        throw ToolError(error);
    }
    std::vector<HybridTensor> results = wanted(expected);
    const double begin = milliseconds();
    run(inputs, results, index);
    const double time = milliseconds() - begin;
    Json json = report(index, results, time);
    if (!options.outputs.empty())
      json["file"] = write(index, results);
    if (!options.compare.empty())
      json["compare"] = compare(results, expected);
    return json;
  }

  void run(RunInputs &inputs, std::vector<HybridTensor> &results,
           size_t index) {
    const std::vector<HybridTensor> &tensors = inputs.tensors();
    if (hybrid_session_run(session.get(), tensors.data(), tensors.size(),
                           results.data(), results.size()) != HYBRID_OK)
      throw ToolError("run " + std::to_string(index) + " ('" +
                      options.inputs[index] + "'): " + hybrid_last_error());
  }

  /// The graph's outputs, then the states that are to be written or compared.
  std::vector<HybridTensor> wanted(const std::vector<NpyArray> &expected) {
    std::vector<HybridTensor> results;
    HybridTensor tensor = {};
    for (const HybridValueInfo &output : outputs) {
      tensor.name = output.name;
      results.push_back(tensor);
    }
    for (const HybridStateInfo &state : states) {
      bool named = options.states;
      for (const NpyArray &array : expected)
        named |= array.name == state.present;
      tensor.name = state.present;
      if (named && *state.present)
        results.push_back(tensor);
    }
    return results;
  }

  Json report(size_t index, const std::vector<HybridTensor> &results,
              double time) {
    const char *entry = hybrid_session_entry(session.get());
    const int64_t position = hybrid_session_position(session.get());
    Json json = {{"inputs", options.inputs[index]},
                 {"entry", entry},
                 {"milliseconds", time},
                 {"position", position}};
    Json values = Json::array();
    for (const HybridTensor &tensor : results)
      values.push_back({{"name", tensor.name},
                        {"dtype", hybrid_dtype_name(tensor.dtype)},
                        {"shape", shapeJson(tensor)}});
    json["outputs"] = values;
    if (options.json)
      return json;
    std::printf("run %zu: %s, %.3f ms", index, entry, time);
    if (!states.empty())
      std::printf(", position %lld", static_cast<long long>(position));
    std::printf("\n");
    for (const HybridTensor &tensor : results)
      std::printf("  %-24s %s %s\n", tensor.name,
                  hybrid_dtype_name(tensor.dtype), shapeText(tensor).c_str());
    return json;
  }

  /// The state with a `present` name; null for outputs.
  const HybridStateInfo *findState(const std::string &present) const {
    for (const HybridStateInfo &state : states)
      if (present == state.present)
        return &state;
    return nullptr;
  }

  bool isOutput(const char *name) const {
    for (const HybridValueInfo &output : outputs)
      if (std::string(output.name) == name)
        return true;
    return false;
  }

  std::string write(size_t index, const std::vector<HybridTensor> &results) {
    std::vector<NpyArray> arrays;
    for (const HybridTensor &tensor : results)
      if (options.states || isOutput(tensor.name))
        arrays.push_back(toNpy(tensor));
    std::vector<NpyView> views;
    for (const NpyArray &array : arrays)
      views.push_back({array.name, array.dtype, array.dims, array.data.data()});
    const std::string path =
        options.outputs + "/" + std::to_string(index) + ".npz";
    const std::string error = writeNpz(path, views);
    if (!error.empty())
      throw ToolError(error);
    if (!options.json)
      std::printf("  written to %s\n", path.c_str());
    return path;
  }

  Json compare(const std::vector<HybridTensor> &results,
               const std::vector<NpyArray> &expected) {
    Json list = Json::array();
    for (const NpyArray &want : expected) {
      Difference difference;
      difference.name = want.name;
      difference.problem = "the model has no such output";
      for (const HybridTensor &got : results)
        if (want.name == got.name)
          difference = compareValues(got, want, options.rtol, options.atol,
                                     findState(got.name));
      ok &= difference.ok();
      list.push_back(difference.json());
      if (!options.json)
        std::printf("  %s %s\n", difference.ok() ? "same   " : "DIFFERS",
                    difference.text().c_str());
    }
    if (expected.empty())
      throw ToolError("there is nothing to compare with in the expected file");
    return list;
  }

  const Options &options;
  ModulePtr module;
  SessionPtr session;
  std::vector<HybridValueInfo> outputs;
  std::vector<HybridStateInfo> states;
  bool ok = true;
};

} // namespace

int hybrid::runAll(const Options &options) { return Runner(options).runAll(); }
