//===- Runtime.h - C API of the hybrid runtime ------------------*- C++ -*-===//
//
// Loads compiled models (`.hyb` files, docs/artifact.md) and runs them. Plain
// C, opaque handles, no global state but the last error of each thread.
//
// A *module* is a loaded file: its code and its mapped weights. It is
// immutable and may be shared by threads. A *session* is one batch of
// sequences being processed by a module: it owns the states (KV caches,
// convolution and recurrent states), the scratch memory and the thread team.
// A session is used by one thread at a time.
//
// Every function that can fail returns a HybridStatus; the message is then
// what hybrid_last_error() returns. A call that fails changes nothing.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_RUNTIME_RUNTIME_H
#define HYBRID_RUNTIME_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HYBRID_API __attribute__((visibility("default")))
#else
#define HYBRID_API
#endif

/// The largest rank of a tensor that the runtime accepts.
#define HYBRID_MAX_RANK 16

//===----------------------------------------------------------------------===//
// Status
//===----------------------------------------------------------------------===//

typedef enum HybridStatus {
  HYBRID_OK = 0,
  HYBRID_INVALID_ARGUMENT = 1, ///< wrong use of this API (null, bad index)
  HYBRID_IO_ERROR = 2,         ///< the file cannot be opened or read
  HYBRID_BAD_FILE = 3,         ///< not a `.hyb` file, or a damaged one
  HYBRID_INCOMPATIBLE = 4,     ///< another version, target or CPU feature
  HYBRID_BAD_INPUT = 5,        ///< names, dtypes, shapes or values of inputs
  HYBRID_OVER_CAPACITY = 6,    ///< more than the model was compiled for
  HYBRID_OUT_OF_MEMORY = 7,
  HYBRID_INTERNAL = 8
} HybridStatus;

/// The message of the last call on this thread that did not return HYBRID_OK;
/// an empty string if there was none. Valid until the thread's next failing
/// call.
HYBRID_API const char *hybrid_last_error(void);

/// The version of the runtime, "major.minor.patch".
HYBRID_API const char *hybrid_version(void);

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

/// An element type: one of the constants below.
typedef int32_t HybridDtype;

enum {
  HYBRID_FLOAT32 = 0,
  HYBRID_FLOAT16 = 1,  ///< IEEE binary16
  HYBRID_BFLOAT16 = 2, ///< the upper half of a binary32
  HYBRID_FLOAT64 = 3,
  HYBRID_INT8 = 4,
  HYBRID_INT16 = 5,
  HYBRID_INT32 = 6,
  HYBRID_INT64 = 7,
  HYBRID_UINT8 = 8,
  HYBRID_UINT16 = 9,
  HYBRID_UINT32 = 10,
  HYBRID_UINT64 = 11,
  HYBRID_BOOL = 12 ///< one byte, 0 or 1
};

/// Bytes of one element; 0 for a value that is not a HybridDtype.
HYBRID_API size_t hybrid_dtype_size(HybridDtype dtype);

/// The name that manifests use: "float32", "int64", …; "?" for a value that is
/// not a HybridDtype.
HYBRID_API const char *hybrid_dtype_name(HybridDtype dtype);

/// A named, dense, row-major tensor. The memory is never owned by this struct.
typedef struct HybridTensor {
  const char *name;
  HybridDtype dtype;
  int32_t rank;
  int64_t dims[HYBRID_MAX_RANK];
  void *data;   ///< at any alignment; copies are avoided at multiples of 64
  size_t bytes; ///< of the memory at `data`; only read for outputs
} HybridTensor;

//===----------------------------------------------------------------------===//
// Modules
//===----------------------------------------------------------------------===//

typedef struct HybridModule HybridModule;

typedef enum HybridOpenFlags {
  HYBRID_OPEN_DEFAULT = 0,
  /// Reads and checks the manifest only. No code is mapped, hashed or checked
  /// against this machine, and no session can be made. For tools that describe
  /// files.
  HYBRID_OPEN_DESCRIBE = 1,
  /// Hashes the weights too (time in proportion to their size).
  HYBRID_OPEN_VERIFY_WEIGHTS = 2
} HybridOpenFlags;

/// Opens a `.hyb` file: checks its structure, versions, the hashes of manifest
/// and code, the target and the CPU's features, in this order, and only then
/// maps the code (which runs its initialisers). Weights are mapped, not read.
/// `flags` is a sum of HybridOpenFlags.
HYBRID_API HybridStatus hybrid_module_open(const char *path, uint32_t flags,
                                           HybridModule **module);

/// Releases the handle. Sessions that are still open keep the module's memory.
/// Null is ignored.
HYBRID_API void hybrid_module_close(HybridModule *module);

/// The manifest, JSON text in UTF-8 (docs/artifact.md). Lives as long as the
/// module.
HYBRID_API const char *hybrid_module_manifest(const HybridModule *module);

/// An input or output as the model declares it. Strings live as long as the
/// module.
typedef struct HybridValueInfo {
  const char *name;
  HybridDtype dtype;
  int32_t rank;
  /// Each a number, a symbol's name, or an expression for people to read.
  const char *dims[HYBRID_MAX_RANK];
  /// Inputs: "tokens", "position_ids", "attention_mask" or "data"; outputs: "".
  const char *role;
  /// Whether the values must lie in [min, max].
  int32_t has_range;
  int64_t min, max;
} HybridValueInfo;

/// A state as the model declares it.
typedef struct HybridStateInfo {
  const char *name;    ///< of the graph input that it replaces
  const char *present; ///< of the graph output that it replaces, or ""
  const char *kind;    ///< "kv", "kv-window", "conv" or "recurrent"
  HybridDtype dtype;
  int32_t rank;
  int64_t dims[HYBRID_MAX_RANK]; ///< at full capacity; -1 where it is the batch
  int32_t length_axis;           ///< that grows with the position, or -1
  uint64_t bytes_per_sequence;   ///< of memory
  /// Of a kv-window, which is a ring: how many of the last and of the first
  /// positions it keeps; 0 for other kinds. As a tensor it has all positions;
  /// those that are not kept are zeros when it is read, and ignored when it is
  /// given.
  int64_t window;
  int64_t sinks;
} HybridStateInfo;

/// A symbolic dimension of the model.
typedef struct HybridSymbolInfo {
  const char *name;
  const char *role; ///< "batch", "seq", "past", "from" or "dim"
  int64_t capacity; ///< the largest value that is served
} HybridSymbolInfo;

HYBRID_API size_t hybrid_module_num_inputs(const HybridModule *module);
HYBRID_API size_t hybrid_module_num_outputs(const HybridModule *module);
HYBRID_API size_t hybrid_module_num_states(const HybridModule *module);
HYBRID_API size_t hybrid_module_num_symbols(const HybridModule *module);
HYBRID_API size_t hybrid_module_num_kernels(const HybridModule *module);
HYBRID_API HybridStatus hybrid_module_input(const HybridModule *module,
                                            size_t index,
                                            HybridValueInfo *info);
HYBRID_API HybridStatus hybrid_module_output(const HybridModule *module,
                                             size_t index,
                                             HybridValueInfo *info);
HYBRID_API HybridStatus hybrid_module_state(const HybridModule *module,
                                            size_t index,
                                            HybridStateInfo *info);
HYBRID_API HybridStatus hybrid_module_symbol(const HybridModule *module,
                                             size_t index,
                                             HybridSymbolInfo *info);
/// The name of a kernel; null when `index` is out of range.
HYBRID_API const char *hybrid_module_kernel(const HybridModule *module,
                                            size_t index);

/// Bytes of the states of one kind ("kv", "kv-window", "conv", "recurrent"; all
/// kinds when `kind` is null) for `batch` sequences at full capacity.
HYBRID_API uint64_t hybrid_module_state_bytes(const HybridModule *module,
                                              const char *kind, int64_t batch);
/// Bytes of the mapped weights.
HYBRID_API uint64_t hybrid_module_weights_bytes(const HybridModule *module);
/// Bytes of scratch memory that each session reserves.
HYBRID_API uint64_t hybrid_module_arena_bytes(const HybridModule *module);

/// Computes the shape (name, dtype, rank, dims; data null, bytes the size) of
/// every input and output when the symbols have the given values, one value per
/// symbol in the module's order. `inputs` and `outputs` have room for all of
/// them; either may be null. Not for modules opened with HYBRID_OPEN_DESCRIBE.
HYBRID_API HybridStatus hybrid_module_shapes(const HybridModule *module,
                                             const int64_t *symbols,
                                             HybridTensor *inputs,
                                             HybridTensor *outputs);

//===----------------------------------------------------------------------===//
// Sessions
//===----------------------------------------------------------------------===//

typedef struct HybridSession HybridSession;

typedef struct HybridSessionOptions {
  /// Threads that kernels run on, the caller's included; 0: one per CPU that
  /// the process may use.
  int32_t threads;
  /// The number of sequences; 0: that of the first run. Only for models that
  /// have states: others take any batch in any run.
  int64_t batch;
  /// "cpu", or "cuda" or "cuda:N" for an NVIDIA GPU; null or "": what the model
  /// is compiled for. Read during the call only.
  const char *device;
} HybridSessionOptions;

/// Makes a session. `options` may be null (all zeros).
HYBRID_API HybridStatus
hybrid_session_create(HybridModule *module, const HybridSessionOptions *options,
                      HybridSession **session);

/// Frees the session. Null is ignored.
HYBRID_API void hybrid_session_close(HybridSession *session);

/// Back to the start: position 0, states zero, and the batch as free as it was
/// when the session was made.
HYBRID_API HybridStatus hybrid_session_reset(HybridSession *session);

/// Makes a session that goes on from where `session` is, with states of its
/// own: what one of them does, the other does not see. Copies the states up to
/// the position; `session` may be forked from several threads while none uses
/// it.
HYBRID_API HybridStatus hybrid_session_fork(const HybridSession *session,
                                            HybridSession **fork);

/// Empties one sequence: position 0, zero states.
HYBRID_API HybridStatus hybrid_session_reset_sequence(HybridSession *session,
                                                      int64_t sequence);

/// Makes sequence `to` of `session` a copy of sequence `from` of `source`, the
/// same session or another one of the same module. Copies its states up to its
/// position; checkpoints are shared.
HYBRID_API HybridStatus
hybrid_session_fork_sequence(HybridSession *session, int64_t to,
                             const HybridSession *source, int64_t from);

/// Takes a sequence (or, for -1, every sequence) back to its first `position`
/// tokens. States with a length ("kv") are cut; the others come from the last
/// checkpoint at or before `position`, or else are emptied, and the tokens from
/// there on are run again. Fails with HYBRID_BAD_INPUT, and changes nothing,
/// when the sequence has not come as far, or the tokens to be replayed are not
/// known: states were loaded, position_ids or an attention_mask differed from
/// what the runtime fills in, or the model has inputs beside its token ids.
HYBRID_API HybridStatus hybrid_session_crop(HybridSession *session,
                                            int64_t sequence, int64_t position);

/// Keeps a checkpoint of each sequence at every multiple of `tokens` from now
/// on, so that hybrid_session_crop replays less than `tokens` tokens; 0, the
/// default: none. One costs the bytes of the "conv", "recurrent" and
/// "kv-window" states of a sequence. Runs are split at these positions; models
/// that have "kv" states only keep none.
HYBRID_API HybridStatus hybrid_session_checkpoint_every(HybridSession *session,
                                                        int64_t tokens);

/// With `enable` not 0, runs from now on want the outputs of their last
/// position only. That saves work where an output has the dimension `seq -
/// from` (the model has a symbol of role "from"): it then comes with 1
/// position. Other outputs come whole, so read the last row of what comes.
/// States are the same.
HYBRID_API HybridStatus hybrid_session_last_only(HybridSession *session,
                                                 int32_t enable);

/// Writes batch, positions, states and what is known of the tokens to a file,
/// which is replaced if it exists; whatever happens, the old or the new file is
/// there, whole. Its size is that of the states up to the positions, 8 bytes a
/// token and 16 a sequence, and a hundred bytes. Checkpoints are not written.
HYBRID_API HybridStatus hybrid_session_snapshot(const HybridSession *session,
                                                const char *path);

/// Takes batch, positions and states from such a file, in place of the
/// session's. The module may have other capacities or another target than the
/// one that the snapshot was made with, but must hold the same model: the same
/// weights and states. Fails, and changes nothing, on a snapshot of another
/// model (HYBRID_INCOMPATIBLE), one that is larger than the capacities
/// (HYBRID_OVER_CAPACITY), of another batch than that the session was made for
/// (HYBRID_BAD_INPUT), or damaged (HYBRID_BAD_FILE).
HYBRID_API HybridStatus hybrid_session_restore(HybridSession *session,
                                               const char *path);

/// Tokens of each sequence that the session holds (always 0 without states); of
/// the longest one where they differ.
HYBRID_API int64_t hybrid_session_position(const HybridSession *session);

/// Tokens of one sequence; -1 if there is no such sequence.
HYBRID_API int64_t hybrid_session_sequence_position(
    const HybridSession *session, int64_t sequence);

/// Sequences in the session; 0 when not bound yet.
HYBRID_API int64_t hybrid_session_batch(const HybridSession *session);

/// Threads that kernels run on.
HYBRID_API int32_t hybrid_session_threads(const HybridSession *session);

/// Runs the model once.
///
/// `inputs`: the graph's inputs by name, in any order. Inputs of role
/// "position_ids" (the session's position, position + 1, … along the last axis)
/// and "attention_mask" (ones) may be left out. A state may be given under its
/// input name and is loaded before the run; the length of a "kv" state along
/// its length axis becomes the session's position. Nothing is read from
/// `inputs` after the call.
///
/// `outputs`: the values wanted, by name, in any order: the graph's outputs, or
/// the `present` names of states ("kv" states come sliced to the position
/// after the run). The caller sets name, data and bytes. With data null the
/// runtime's own memory is handed out, valid until the next call that takes the
/// session (but hybrid_session_output and queries); else `bytes` must suffice
/// and the value is written to data. dtype, rank, dims, data and bytes are set.
///
/// Fails, and changes nothing, on names, dtypes, shapes or values that do not
/// fit the model, another batch than the session's, or a position beyond
/// capacity.
HYBRID_API HybridStatus hybrid_session_run(HybridSession *session,
                                           const HybridTensor *inputs,
                                           size_t num_inputs,
                                           HybridTensor *outputs,
                                           size_t num_outputs);

/// Runs some of the session's sequences: row i of every input and output, along
/// the batch, belongs to sequence `sequences[i]`; none may be named twice. They
/// may be at different positions, and each gives what it gives alone, bit for
/// bit where the model computes a batch like its rows. hybrid_session_run is
/// this for all sequences in order. Fails, and changes nothing, like
/// hybrid_session_run, and when an input or output depends on the position
/// otherwise than through inputs that may be left out. The batch must be bound.
HYBRID_API HybridStatus hybrid_session_run_sequences(
    HybridSession *session, const int64_t *sequences, size_t num_sequences,
    const HybridTensor *inputs, size_t num_inputs, HybridTensor *outputs,
    size_t num_outputs);

/// The value of the graph's output `index` in the last run, in the runtime's
/// memory, unless the caller provided the memory (then that is handed out).
HYBRID_API HybridStatus hybrid_session_output(const HybridSession *session,
                                              size_t index,
                                              HybridTensor *tensor);

/// The name of the entry point that the last run took ("prefill", "decode",
/// "main"); null before the first run.
HYBRID_API const char *hybrid_session_entry(const HybridSession *session);

/// Reads a state, named by its input or its `present` name, like an output of
/// hybrid_session_run: the caller sets name, data and bytes. The batch must be
/// bound.
HYBRID_API HybridStatus hybrid_session_read_state(HybridSession *session,
                                                  HybridTensor *state);

/// Writes states, named by their input or their `present` names. Lengths of
/// "kv" states must agree and become the position; unless the length is the
/// current position, all "kv" states must be written together.
HYBRID_API HybridStatus hybrid_session_write_states(HybridSession *session,
                                                    const HybridTensor *states,
                                                    size_t num_states);

//===----------------------------------------------------------------------===//
// Measuring
//===----------------------------------------------------------------------===//

/// What one kernel has cost since profiling was switched on.
typedef struct HybridKernelStats {
  uint64_t launches;
  uint64_t blocks;
  uint64_t nanoseconds; ///< wall time, all threads together
} HybridKernelStats;

/// Switches the counting of launches and their times on (all counts start at
/// zero) or off. Costs two clock readings a launch.
HYBRID_API HybridStatus hybrid_session_profile(HybridSession *session,
                                               int32_t enable);

/// The counts of kernel `index`.
HYBRID_API HybridStatus hybrid_session_kernel_stats(
    const HybridSession *session, size_t index, HybridKernelStats *stats);

/// Measures what a launch costs that does nothing: nanoseconds, the median of
/// many launches with one block per thread.
HYBRID_API HybridStatus hybrid_session_launch_overhead(HybridSession *session,
                                                       double *nanoseconds);

#ifdef __cplusplus
}
#endif

#endif // HYBRID_RUNTIME_RUNTIME_H
