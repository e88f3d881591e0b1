//===- CAPI.cpp - the C API -----------------------------------------------===//
//
// Thin: checks of pointers, and the boundary that turns exceptions into a
// status and a message.
//
//===----------------------------------------------------------------------===//

#include "Session.h"

#include <new>

using namespace hybrid;

static thread_local std::string lastError;

static HybridStatus setError(HybridStatus status, const char *message) {
  try {
    lastError = message;
  } catch (const std::bad_alloc &) {
    lastError.clear();
  }
  return status;
}

template <typename Function>
static HybridStatus guard(Function function) {
  try {
    function();
    return HYBRID_OK;
  } catch (const RuntimeError &error) {
    return setError(error.status, error.what());
  } catch (const std::bad_alloc &) {
    return setError(HYBRID_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception &error) {
    return setError(HYBRID_INTERNAL, error.what());
  }
}

static void require(bool condition, const char *message) {
  if (!condition)
    throw RuntimeError(HYBRID_INVALID_ARGUMENT, message);
}

const char *hybrid_last_error(void) { return lastError.c_str(); }
const char *hybrid_version(void) { return HYBRID_VERSION_STRING; }

//===----------------------------------------------------------------------===//
// Modules
//===----------------------------------------------------------------------===//

HybridStatus hybrid_module_open(const char *path, uint32_t flags,
                                HybridModule **module) {
  return guard([&] {
    require(path && module, "hybrid_module_open: null argument");
    std::unique_ptr<HybridModule> handle(new HybridModule);
    handle->module = std::make_shared<const Module>(path, flags);
    *module = handle.release();
  });
}

void hybrid_module_close(HybridModule *module) { delete module; }

const char *hybrid_module_manifest(const HybridModule *module) {
  return module->module->manifestText().c_str();
}

size_t hybrid_module_num_inputs(const HybridModule *module) {
  return module->module->manifest().numGivenInputs();
}
size_t hybrid_module_num_outputs(const HybridModule *module) {
  return module->module->manifest().outputs.size();
}
size_t hybrid_module_num_states(const HybridModule *module) {
  return module->module->manifest().states.size();
}
size_t hybrid_module_num_symbols(const HybridModule *module) {
  return module->module->manifest().symbols.size();
}
size_t hybrid_module_num_kernels(const HybridModule *module) {
  return module->module->manifest().kernels.size();
}

static void describe(const Value &value, bool isInput, HybridValueInfo &info) {
  info = {};
  info.name = value.name.c_str();
  info.dtype = value.dtype;
  info.rank = int32_t(value.dims.size());
  for (size_t i = 0; i < value.dims.size(); ++i)
    info.dims[i] = value.dims[i].text.c_str();
  info.role = isInput ? inputRoleName(value.role) : "";
  info.has_range = value.hasRange;
  info.min = value.min;
  info.max = value.max;
}

HybridStatus hybrid_module_input(const HybridModule *module, size_t index,
                                 HybridValueInfo *info) {
  return guard([&] {
    require(module && info, "hybrid_module_input: null argument");
    const Manifest &manifest = module->module->manifest();
    require(index < manifest.numGivenInputs(),
            "hybrid_module_input: no such input");
    describe(manifest.inputs[index], /*isInput=*/true, *info);
  });
}

HybridStatus hybrid_module_output(const HybridModule *module, size_t index,
                                  HybridValueInfo *info) {
  return guard([&] {
    require(module && info, "hybrid_module_output: null argument");
    const auto &outputs = module->module->manifest().outputs;
    require(index < outputs.size(), "hybrid_module_output: no such output");
    describe(outputs[index], /*isInput=*/false, *info);
  });
}

HybridStatus hybrid_module_state(const HybridModule *module, size_t index,
                                 HybridStateInfo *info) {
  return guard([&] {
    require(module && info, "hybrid_module_state: null argument");
    const auto &states = module->module->manifest().states;
    require(index < states.size(), "hybrid_module_state: no such state");
    const State &state = states[index];
    *info = {};
    info->name = state.name.c_str();
    info->present = state.present.c_str();
    info->kind = cacheKindName(state.kind);
    info->dtype = state.dtype;
    info->rank = int32_t(state.dims.size());
    for (size_t i = 0; i < state.dims.size(); ++i)
      info->dims[i] = state.dims[i];
    info->length_axis = state.lengthAxis;
    info->bytes_per_sequence = state.bytes(1);
    info->window = state.window;
    info->sinks = state.sinks;
  });
}

HybridStatus hybrid_module_symbol(const HybridModule *module, size_t index,
                                  HybridSymbolInfo *info) {
  return guard([&] {
    require(module && info, "hybrid_module_symbol: null argument");
    const auto &symbols = module->module->manifest().symbols;
    require(index < symbols.size(), "hybrid_module_symbol: no such symbol");
    info->name = symbols[index].name.c_str();
    info->role = symbolRoleName(symbols[index].role);
    info->capacity = symbols[index].capacity;
  });
}

const char *hybrid_module_kernel(const HybridModule *module, size_t index) {
  const auto &kernels = module->module->manifest().kernels;
  return index < kernels.size() ? kernels[index].c_str() : nullptr;
}

uint64_t hybrid_module_state_bytes(const HybridModule *module, const char *kind,
                                   int64_t batch) {
  uint64_t bytes = 0;
  for (const State &state : module->module->manifest().states)
    if (!kind || std::string(kind) == cacheKindName(state.kind))
      bytes += state.bytes(batch);
  return bytes;
}

uint64_t hybrid_module_weights_bytes(const HybridModule *module) {
  return module->module->manifest().weightsBytes;
}

uint64_t hybrid_module_arena_bytes(const HybridModule *module) {
  return module->module->manifest().arenaBytes;
}

static void fillShapes(const std::vector<Value> &values, size_t count,
                       const int64_t *&dims, HybridTensor *tensors) {
  for (size_t i = 0; i < values.size(); ++i) {
    const Value &value = values[i];
    if (tensors && i < count) {
      HybridTensor &tensor = tensors[i];
      tensor = {};
      tensor.name = value.name.c_str();
      tensor.dtype = value.dtype;
      tensor.rank = int32_t(value.dims.size());
      std::copy(dims, dims + value.dims.size(), tensor.dims);
      tensor.bytes =
          denseBytes(value.dtype, dims, value.dims.size(), value.name.c_str());
    }
    dims += value.dims.size();
  }
}

HybridStatus hybrid_module_shapes(const HybridModule *module,
                                  const int64_t *symbols, HybridTensor *inputs,
                                  HybridTensor *outputs) {
  return guard([&] {
    require(module, "hybrid_module_shapes: null argument");
    const Module &loaded = *module->module;
    const Manifest &manifest = loaded.manifest();
    require(loaded.hasCode(),
            "hybrid_module_shapes: the module was opened with "
            "HYBRID_OPEN_DESCRIBE");
    require(symbols || manifest.symbols.empty(),
            "hybrid_module_shapes: null argument");
    for (size_t i = 0; i < manifest.symbols.size(); ++i)
      if (symbols[i] < 0 || symbols[i] > manifest.symbols[i].capacity)
        throw RuntimeError(HYBRID_OVER_CAPACITY,
                           manifest.symbols[i].name + " = " +
                               std::to_string(symbols[i]) +
                               ", the model was compiled for up to " +
                               std::to_string(manifest.symbols[i].capacity));
    if (manifest.fromSymbol >= 0) {
      const int64_t from = symbols[manifest.fromSymbol],
                    seq = symbols[manifest.seqSymbol];
      if (from > 0 && from >= seq)
        throw RuntimeError(HYBRID_BAD_INPUT,
                           manifest.symbols[manifest.fromSymbol].name + " = " +
                               std::to_string(from) +
                               " is not before the end of the " +
                               std::to_string(seq) + " positions of the call");
    }
    int index;
    const Module::EntryPoint *entry = loaded.entryFor(symbols, index);
    require(entry,
            "hybrid_module_shapes: no entry point accepts these symbols");
    std::vector<int64_t> shapes(loaded.numShapeDims());
    entry->shapes(symbols, shapes.data());
    const int64_t *dims = shapes.data();
    fillShapes(manifest.inputs, manifest.numGivenInputs(), dims, inputs);
    fillShapes(manifest.outputs, manifest.outputs.size(), dims, outputs);
  });
}

//===----------------------------------------------------------------------===//
// Sessions
//===----------------------------------------------------------------------===//

HybridStatus hybrid_session_create(HybridModule *module,
                                   const HybridSessionOptions *options,
                                   HybridSession **session) {
  return guard([&] {
    require(module && session, "hybrid_session_create: null argument");
    require(module->module->hasCode(), "hybrid_session_create: the module was "
                                       "opened with HYBRID_OPEN_DESCRIBE");
    std::unique_ptr<HybridSession> handle(new HybridSession);
    handle->session.reset(new Session(
        module->module, options ? *options : HybridSessionOptions()));
    *session = handle.release();
  });
}

void hybrid_session_close(HybridSession *session) { delete session; }

HybridStatus hybrid_session_reset(HybridSession *session) {
  return guard([&] {
    require(session, "hybrid_session_reset: null argument");
    session->session->reset();
  });
}

HybridStatus hybrid_session_fork(const HybridSession *session,
                                 HybridSession **fork) {
  return guard([&] {
    require(session && fork, "hybrid_session_fork: null argument");
    std::unique_ptr<HybridSession> handle(new HybridSession);
    handle->session = session->session->fork();
    *fork = handle.release();
  });
}

HybridStatus hybrid_session_reset_sequence(HybridSession *session,
                                           int64_t sequence) {
  return guard([&] {
    require(session, "hybrid_session_reset_sequence: null argument");
    session->session->resetSequence(sequence);
  });
}

HybridStatus hybrid_session_fork_sequence(HybridSession *session, int64_t to,
                                          const HybridSession *source,
                                          int64_t from) {
  return guard([&] {
    require(session && source, "hybrid_session_fork_sequence: null argument");
    session->session->forkSequence(to, *source->session, from);
  });
}

HybridStatus hybrid_session_crop(HybridSession *session, int64_t sequence,
                                 int64_t position) {
  return guard([&] {
    require(session, "hybrid_session_crop: null argument");
    session->session->crop(sequence, position);
  });
}

HybridStatus hybrid_session_last_only(HybridSession *session, int32_t enable) {
  return guard([&] {
    require(session, "hybrid_session_last_only: null argument");
    session->session->lastOnly = enable != 0;
  });
}

HybridStatus hybrid_session_checkpoint_every(HybridSession *session,
                                             int64_t tokens) {
  return guard([&] {
    require(session, "hybrid_session_checkpoint_every: null argument");
    session->session->checkpointEvery(tokens);
  });
}

HybridStatus hybrid_session_snapshot(const HybridSession *session,
                                     const char *path) {
  return guard([&] {
    require(session && path, "hybrid_session_snapshot: null argument");
    session->session->snapshot(path);
  });
}

HybridStatus hybrid_session_restore(HybridSession *session, const char *path) {
  return guard([&] {
    require(session && path, "hybrid_session_restore: null argument");
    session->session->restore(path);
  });
}

int64_t hybrid_session_position(const HybridSession *session) {
  return session->session->position();
}

int64_t hybrid_session_sequence_position(const HybridSession *session,
                                         int64_t sequence) {
  return session->session->position(sequence);
}

int64_t hybrid_session_batch(const HybridSession *session) {
  return session->session->batch();
}

int32_t hybrid_session_threads(const HybridSession *session) {
  return session->session->device->numThreads();
}

HybridStatus hybrid_session_run(HybridSession *session,
                                const HybridTensor *inputs, size_t num_inputs,
                                HybridTensor *outputs, size_t num_outputs) {
  return guard([&] {
    require(session && (inputs || !num_inputs) && (outputs || !num_outputs),
            "hybrid_session_run: null argument");
    session->session->run(inputs, num_inputs, outputs, num_outputs);
  });
}

HybridStatus
hybrid_session_run_sequences(HybridSession *session, const int64_t *sequences,
                             size_t num_sequences, const HybridTensor *inputs,
                             size_t num_inputs, HybridTensor *outputs,
                             size_t num_outputs) {
  return guard([&] {
    require(session && (sequences || !num_sequences) &&
                (inputs || !num_inputs) && (outputs || !num_outputs),
            "hybrid_session_run_sequences: null argument");
    session->session->runSequences(sequences, num_sequences, inputs, num_inputs,
                                   outputs, num_outputs);
  });
}

HybridStatus hybrid_session_output(const HybridSession *session, size_t index,
                                   HybridTensor *tensor) {
  return guard([&] {
    require(session && tensor, "hybrid_session_output: null argument");
    session->session->output(index, *tensor);
  });
}

const char *hybrid_session_entry(const HybridSession *session) {
  return session->session->entry();
}

HybridStatus hybrid_session_read_state(HybridSession *session,
                                       HybridTensor *state) {
  return guard([&] {
    require(session && state && state->name,
            "hybrid_session_read_state: null argument");
    session->session->readState(*state);
  });
}

HybridStatus hybrid_session_write_states(HybridSession *session,
                                         const HybridTensor *states,
                                         size_t num_states) {
  return guard([&] {
    require(session && (states || !num_states),
            "hybrid_session_write_states: null argument");
    session->session->writeStates(states, num_states);
  });
}

//===----------------------------------------------------------------------===//
// Measuring
//===----------------------------------------------------------------------===//

HybridStatus hybrid_session_profile(HybridSession *session, int32_t enable) {
  return guard([&] {
    require(session, "hybrid_session_profile: null argument");
    session->session->device->profile(enable);
  });
}

HybridStatus hybrid_session_kernel_stats(const HybridSession *session,
                                         size_t index,
                                         HybridKernelStats *stats) {
  return guard([&] {
    require(session && stats, "hybrid_session_kernel_stats: null argument");
    const Session &inner = *session->session;
    require(index < inner.module().manifest().kernels.size(),
            "hybrid_session_kernel_stats: no such kernel");
    *stats = inner.device->stats(index);
  });
}

HybridStatus hybrid_session_launch_overhead(HybridSession *session,
                                            double *nanoseconds) {
  return guard([&] {
    require(session && nanoseconds,
            "hybrid_session_launch_overhead: null argument");
    *nanoseconds = session->session->device->launchOverhead();
  });
}
