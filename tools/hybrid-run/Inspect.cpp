//===- Inspect.cpp - descriptions of artifacts ----------------------------===//

#include "Commands.h"

#include <cinttypes>
#include <cstdio>
#include <filesystem>

using namespace hybrid;

static const char *const stateKinds[] = {"kv", "kv-window", "conv",
                                         "recurrent"};

static std::string bytesText(uint64_t bytes) {
  const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = double(bytes);
  int unit = 0;
  for (; value >= 1024 && unit < 5; ++unit)
    value /= 1024;
  char text[64];
  std::snprintf(text, sizeof(text), unit ? "%.2f %s" : "%.0f %s", value,
                units[unit]);
  return text;
}

static std::string typeText(const HybridValueInfo &info) {
  std::string text = std::string(hybrid_dtype_name(info.dtype)) + " [";
  for (int32_t i = 0; i < info.rank; ++i)
    text += (i ? ", " : "") + std::string(info.dims[i]);
  return text + "]";
}

static std::string typeText(const HybridStateInfo &info) {
  std::string text = std::string(hybrid_dtype_name(info.dtype)) + " [";
  for (int32_t i = 0; i < info.rank; ++i)
    text += (i ? ", " : "") +
            (info.dims[i] < 0 ? "batch" : std::to_string(info.dims[i]));
  return text + "]";
}

static void printTarget(const Json &manifest) {
  const Json &target = manifest["target"];
  std::string features;
  for (const Json &feature : target["features"])
    features += (features.empty() ? "" : " ") + feature.get<std::string>();
  std::printf("model     %s\n",
              manifest["model"]["name"].get<std::string>().c_str());
  std::printf("compiler  %s\n",
              manifest["compiler"].get<std::string>().c_str());
  std::printf("target    %s, %s, cpu %s\n",
              target["device"].get<std::string>().c_str(),
              target["triple"].get<std::string>().c_str(),
              target["cpu"].get<std::string>().c_str());
  if (!features.empty())
    std::printf("features  %s\n", features.c_str());
  std::printf("trust     %s\n", manifest.value("trust", "").c_str());
}

static void printSignature(const HybridModule *module) {
  std::printf("\nsymbols\n");
  for (const HybridSymbolInfo &symbol : symbolsOf(module))
    std::printf("  %-28s %-6s up to %" PRId64 "\n", symbol.name, symbol.role,
                symbol.capacity);
  std::printf("inputs\n");
  for (const HybridValueInfo &input : inputsOf(module)) {
    std::printf("  %-28s %s, %s", input.name, typeText(input).c_str(),
                input.role);
    if (input.has_range)
      std::printf(", values %" PRId64 " to %" PRId64, input.min, input.max);
    std::printf("\n");
  }
  std::printf("outputs\n");
  for (const HybridValueInfo &output : outputsOf(module))
    std::printf("  %-28s %s\n", output.name, typeText(output).c_str());
}

static void printStates(const HybridModule *module) {
  std::printf("states\n");
  for (const HybridStateInfo &state : statesOf(module)) {
    std::printf("  %-28s %-9s %s, %s per sequence", state.name, state.kind,
                typeText(state).c_str(),
                bytesText(state.bytes_per_sequence).c_str());
    if (state.window)
      std::printf(" (the first %lld and last %lld positions)",
                  static_cast<long long>(state.sinks),
                  static_cast<long long>(state.window));
    std::printf("\n");
  }
  std::printf("\nbytes\n");
  for (const char *kind : stateKinds)
    if (const uint64_t bytes = hybrid_module_state_bytes(module, kind, 1))
      std::printf("  %-28s %s per sequence\n", kind, bytesText(bytes).c_str());
}

static Json stateBytes(const HybridModule *module) {
  Json json = {{"total", hybrid_module_state_bytes(module, nullptr, 1)}};
  for (const char *kind : stateKinds)
    json[kind] = hybrid_module_state_bytes(module, kind, 1);
  return json;
}

int hybrid::inspect(const Options &options) {
  const ModulePtr module = openModule(options, HYBRID_OPEN_DESCRIBE);
  const Json manifest = Json::parse(hybrid_module_manifest(module.get()));
  std::error_code error;
  const uint64_t fileBytes = std::filesystem::file_size(options.model, error);
  if (options.json) {
    printJson({{"file", options.model},
               {"file_bytes", fileBytes},
               {"state_bytes_per_sequence", stateBytes(module.get())},
               {"manifest", manifest}});
    return 0;
  }
  printTarget(manifest);
  printSignature(module.get());
  printStates(module.get());
  std::printf("  %-28s %s\n", "weights (mapped)",
              bytesText(hybrid_module_weights_bytes(module.get())).c_str());
  std::printf("  %-28s %s\n", "scratch per session",
              bytesText(hybrid_module_arena_bytes(module.get())).c_str());
  std::printf("  %-28s %s\n", "file", bytesText(fileBytes).c_str());
  std::printf("\nentries  ");
  for (const Json &entry : manifest["entries"])
    std::printf(" %s", entry["name"].get<std::string>().c_str());
  std::printf("\nkernels   %zu\n", hybrid_module_num_kernels(module.get()));
  return 0;
}

int hybrid::verify(const Options &options) {
  openModule(options, HYBRID_OPEN_DESCRIBE | HYBRID_OPEN_VERIFY_WEIGHTS);
  if (options.json)
    printJson({{"file", options.model}, {"hashes", "ok"}});
  else
    std::printf("%s: manifest, code and weights match their hashes\n",
                options.model.c_str());
  return 0;
}
