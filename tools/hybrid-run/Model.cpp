//===- Model.cpp - the C API, owned and with exceptions -------------------===//

#include "Model.h"
#include "Options.h"
#include "hybrid/Runtime/Numbers.h"

#include <chrono>

using namespace hybrid;

void hybrid::check(HybridStatus status) {
  if (status != HYBRID_OK)
    throw ToolError(hybrid_last_error());
}

ModulePtr hybrid::openModule(const Options &options, uint32_t flags) {
  if (options.verifyHashes)
    flags |= HYBRID_OPEN_VERIFY_WEIGHTS;
  HybridModule *module = nullptr;
  check(hybrid_module_open(options.model.c_str(), flags, &module));
  return ModulePtr(module);
}

SessionPtr hybrid::createSession(HybridModule *module, const Options &options,
                                 int64_t batch) {
  HybridSessionOptions settings = {};
  settings.threads = int32_t(std::min<int64_t>(options.threads, INT32_MAX));
  settings.batch = batch;
  settings.device = options.device.c_str();
  HybridSession *session = nullptr;
  check(hybrid_session_create(module, &settings, &session));
  return SessionPtr(session);
}

void hybrid::restoreSession(HybridSession *session, const Options &options) {
  check(hybrid_session_restore(session, options.restore.c_str()));
  if (options.crop >= 0)
    check(hybrid_session_crop(session, /*sequence=*/-1, options.crop));
}

template <typename Info>
static std::vector<Info> collect(const HybridModule *module, size_t count,
                                 HybridStatus (*get)(const HybridModule *,
                                                     size_t, Info *)) {
  std::vector<Info> infos(count);
  for (size_t i = 0; i < count; ++i)
    check(get(module, i, &infos[i]));
  return infos;
}

std::vector<HybridValueInfo> hybrid::inputsOf(const HybridModule *module) {
  return collect(module, hybrid_module_num_inputs(module), hybrid_module_input);
}
std::vector<HybridValueInfo> hybrid::outputsOf(const HybridModule *module) {
  return collect(module, hybrid_module_num_outputs(module),
                 hybrid_module_output);
}
std::vector<HybridStateInfo> hybrid::statesOf(const HybridModule *module) {
  return collect(module, hybrid_module_num_states(module), hybrid_module_state);
}
std::vector<HybridSymbolInfo> hybrid::symbolsOf(const HybridModule *module) {
  return collect(module, hybrid_module_num_symbols(module),
                 hybrid_module_symbol);
}

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

/// The names of inputs and states that the model wants as bfloat16.
static bool wantsBfloat16(const HybridModule *module, const std::string &name) {
  for (const HybridValueInfo &input : inputsOf(module))
    if (name == input.name)
      return input.dtype == HYBRID_BFLOAT16;
  for (const HybridStateInfo &state : statesOf(module))
    if (name == state.name)
      return state.dtype == HYBRID_BFLOAT16;
  return false;
}

static void narrow(NpyArray &array) {
  const size_t count = array.data.size() / sizeof(float);
  std::string data(count * sizeof(uint16_t), '\0');
  for (size_t i = 0; i < count; ++i) {
    const uint16_t bits = floatToBfloat16(loadAs<float>(array.data.data(), i));
    std::memcpy(&data[i * sizeof(bits)], &bits, sizeof(bits));
  }
  array.data = std::move(data);
  array.dtype = HYBRID_BFLOAT16;
}

RunInputs::RunInputs(const HybridModule *module, const std::string &path) {
  const std::string error = readNpz(path, arrays);
  if (!error.empty())
    throw ToolError(error);
  for (NpyArray &array : arrays) {
    if (array.dims.size() > HYBRID_MAX_RANK)
      throw ToolError("'" + path + "': '" + array.name +
                      "' has too many dimensions");
    if (array.dtype == HYBRID_FLOAT32 && wantsBfloat16(module, array.name))
      narrow(array);
  }
}

void RunInputs::add(NpyArray array) { arrays.push_back(std::move(array)); }

const std::vector<HybridTensor> &RunInputs::tensors() {
  views.clear();
  for (NpyArray &array : arrays) {
    HybridTensor view = {};
    view.name = array.name.c_str();
    view.dtype = array.dtype;
    view.rank = int32_t(array.dims.size());
    std::copy(array.dims.begin(), array.dims.end(), view.dims);
    view.data = &array.data[0];
    view.bytes = array.data.size();
    views.push_back(view);
  }
  return views;
}

//===----------------------------------------------------------------------===//
// Outputs
//===----------------------------------------------------------------------===//

NpyArray hybrid::toNpy(const HybridTensor &tensor) {
  NpyArray array;
  array.name = tensor.name;
  array.dtype = tensor.dtype;
  array.dims.assign(tensor.dims, tensor.dims + tensor.rank);
  if (tensor.dtype != HYBRID_BFLOAT16) {
    array.data.assign(static_cast<const char *>(tensor.data), tensor.bytes);
    return array;
  }
  array.dtype = HYBRID_FLOAT32;
  const size_t count = tensor.bytes / sizeof(uint16_t);
  array.data.resize(count * sizeof(float));
  for (size_t i = 0; i < count; ++i) {
    const float value = bfloat16ToFloat(loadAs<uint16_t>(tensor.data, i));
    std::memcpy(&array.data[i * sizeof(float)], &value, sizeof(value));
  }
  return array;
}

std::string hybrid::shapeText(const HybridTensor &tensor) {
  std::string text = "[";
  for (int32_t i = 0; i < tensor.rank; ++i)
    text += (i ? ", " : "") + std::to_string(tensor.dims[i]);
  return text + "]";
}

Json hybrid::shapeJson(const HybridTensor &tensor) {
  Json shape = Json::array();
  for (int32_t i = 0; i < tensor.rank; ++i)
    shape.push_back(tensor.dims[i]);
  return shape;
}

double hybrid::milliseconds() {
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}
