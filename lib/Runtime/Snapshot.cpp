//===- Snapshot.cpp - a session's states in a file ------------------------===//
//
// A header, the values of the states in the manifest's order, and a hash of
// all that. The header names the model, so the file's size follows from it:
// what does not fit is refused before anything of the session changes.
//
//===----------------------------------------------------------------------===//

#include "OutputFile.h"
#include "Session.h"
#include "StateLayout.h"

#include <cstring>

using namespace hybrid;

namespace {

struct Header {
  char magic[8];
  char model[32];
  int64_t batch, position;
  uint64_t payloadBytes;
};
static_assert(sizeof(Header) == 64, "the header is 64 bytes, all of them set");

constexpr size_t hashBytes = 32;
/// The last byte is the version of the format.
constexpr char magic[8] = {'H', 'Y', 'B', 'S', 'N', 'A', 'P', '\1'};

/// A file that is read once, from start to end, and hashed on the way.
class Reader {
public:
  explicit Reader(const std::string &path) : file(path) {}

  void read(void *data, size_t bytes) {
    file.readAt(at, data, bytes);
    hasher.update(data, bytes);
    at += bytes;
  }

  const InputFile file;
  Hasher hasher;

private:
  uint64_t at = 0;
};

} // namespace

/// What tells the snapshots of two models apart: the weights, and the states
/// without their capacities.
static std::string modelHash(const Manifest &manifest) {
  Hasher hasher;
  const auto add = [&](const std::string &text) {
    hasher.update(text.c_str(), text.size() + 1);
  };
  add(manifest.weightsHash);
  for (const State &state : manifest.states) {
    add(state.name);
    add(cacheKindName(state.kind));
    add(hybrid_dtype_name(state.dtype));
    for (size_t i = 0; i < state.dims.size(); ++i)
      add(int(i) == state.lengthAxis ? "length"
                                     : std::to_string(state.dims[i]));
  }
  return hasher.hex();
}

/// `position` must be one that the states have room for.
static uint64_t payloadBytes(const Manifest &manifest, int64_t batch,
                             int64_t position) {
  uint64_t total = 0;
  for (const State &state : manifest.states)
    total += valueBytes(state, batch, position);
  return total;
}

void Session::snapshot(const std::string &path) const {
  if (manifest.states.empty())
    throw RuntimeError(HYBRID_INVALID_ARGUMENT, "the model has no states");
  Header header = {};
  std::memcpy(header.magic, magic, sizeof(magic));
  std::memcpy(header.model, modelHash(manifest).data(), sizeof(header.model));
  header.batch = now.batch;
  header.position = now.position;
  header.payloadBytes = payloadBytes(manifest, now.batch, now.position);
  try {
    OutputFile file(path);
    Hasher hasher;
    file.hasher = &hasher;
    file.write(&header, sizeof(header));
    for (size_t i = 0; i < states.size(); ++i)
      visitState(manifest.states[i], now.batch, now.position,
                 [&](uint64_t offset, uint64_t bytes) {
                   // States that no run has touched are zeros.
                   if (states[i].data())
                     file.write(states[i].data() + offset, bytes);
                   else
                     file.zeros(bytes);
                 });
    file.hasher = nullptr;
    file.write(hasher.hex().data(), hashBytes);
    file.sync();
    file.commit();
  } catch (const WriteError &error) {
    throw RuntimeError(HYBRID_IO_ERROR, error.message);
  }
}

/// Refuses what the session's model cannot hold.
static void checkHeader(const Header &header, const InputFile &file,
                        const Manifest &manifest, int64_t fixedBatch) {
  const auto refuse = [&](HybridStatus status, const std::string &why) {
    throw RuntimeError(status, "'" + file.path + "' " + why);
  };
  if (std::memcmp(header.magic, magic, sizeof(magic) - 1))
    refuse(HYBRID_BAD_FILE, "is not a snapshot");
  if (header.magic[7] != magic[7])
    refuse(HYBRID_INCOMPATIBLE,
           "has snapshot version " + std::to_string(int(header.magic[7])) +
               ", this runtime reads version " + std::to_string(int(magic[7])));
  if (std::memcmp(header.model, modelHash(manifest).data(),
                  sizeof(header.model)))
    refuse(HYBRID_INCOMPATIBLE, "is a snapshot of another model");
  if (header.batch < 0 || header.position < 0)
    refuse(HYBRID_BAD_FILE, "has a negative batch or position");
  if (fixedBatch && header.batch != fixedBatch)
    refuse(HYBRID_BAD_INPUT, "holds " + std::to_string(header.batch) +
                                 " sequences, the session was made for " +
                                 std::to_string(fixedBatch));
  const auto checkCapacity = [&](int64_t value, int64_t capacity,
                                 const char *what) {
    if (value > capacity)
      refuse(HYBRID_OVER_CAPACITY, "holds " + std::to_string(value) + what +
                                       ", the model was compiled for up to " +
                                       std::to_string(capacity));
  };
  if (manifest.batchSymbol >= 0)
    checkCapacity(header.batch, manifest.symbols[manifest.batchSymbol].capacity,
                  " sequences");
  else if (header.batch > 1)
    refuse(HYBRID_BAD_FILE, "holds a batch that the model does not have");
  if (manifest.pastSymbol >= 0)
    checkCapacity(header.position,
                  manifest.symbols[manifest.pastSymbol].capacity, " tokens");
  for (const State &state : manifest.states)
    if (state.lengthAxis >= 0)
      checkCapacity(header.position, state.dims[state.lengthAxis], " tokens");
  const uint64_t bytes = payloadBytes(manifest, header.batch, header.position);
  if (header.payloadBytes != bytes ||
      file.fileBytes != sizeof(header) + bytes + hashBytes)
    refuse(HYBRID_BAD_FILE,
           "has " + std::to_string(file.fileBytes) + " bytes, not " +
               std::to_string(sizeof(header) + bytes + hashBytes) +
               ": it is truncated or damaged");
}

void Session::restore(const std::string &path) {
  if (manifest.states.empty())
    throw RuntimeError(HYBRID_INVALID_ARGUMENT, "the model has no states");
  Reader in(path);
  Header header;
  if (in.file.fileBytes < sizeof(header))
    throw RuntimeError(HYBRID_BAD_FILE, "'" + path + "' is not a snapshot");
  in.read(&header, sizeof(header));
  checkHeader(header, in.file, manifest, fixedBatch);
  std::vector<Mapping> fresh(states.size());
  for (size_t i = 0; i < fresh.size(); ++i) {
    const State &state = manifest.states[i];
    fresh[i] = Mapping::zeroed(state.bytes(header.batch),
                               "state '" + state.name + "'");
    visitState(state, header.batch, header.position,
               [&](uint64_t offset, uint64_t bytes) {
                 in.read(fresh[i].data() + offset, bytes);
               });
  }
  const std::string hash = in.hasher.hex();
  char stated[hashBytes];
  in.read(stated, sizeof(stated));
  if (std::memcmp(stated, hash.data(), sizeof(stated)))
    throw RuntimeError(HYBRID_BAD_FILE,
                       "'" + path + "' is damaged: its hash does not match");
  states.swap(fresh);
  for (size_t i = 0; i < states.size(); ++i)
    statePointers[i] = states[i].data();
  now = {header.batch, header.position};
}
