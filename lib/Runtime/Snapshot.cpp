//===- Snapshot.cpp - a session's states in a file ------------------------===//
//
// A header, the position of each sequence and what is known of its tokens, the
// values of the states in the manifest's order, sequence by sequence, and a
// hash of all that. What does not fit the model or the file's size is refused
// before anything of the session changes. Checkpoints are not kept.
//
//===----------------------------------------------------------------------===//

#include "OutputFile.h"
#include "Session.h"

#include <cstring>

using namespace hybrid;

namespace {

struct Header {
  char magic[8];
  char model[32];
  int64_t batch, sequences;
  uint64_t payloadBytes;
};
static_assert(sizeof(Header) == 64, "the header is 64 bytes, all of them set");

/// What precedes the tokens of each sequence from `known` to `position`.
struct SequenceHeader {
  int64_t position, known;
};

constexpr size_t hashBytes = 32;
/// The last byte is the version of the format.
constexpr char magic[8] = {'H', 'Y', 'B', 'S', 'N', 'A', 'P', '\2'};

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
    if (state.isRing()) {
      add(std::to_string(state.window));
      add(std::to_string(state.sinks));
    }
  }
  return hasher.hex();
}

/// The positions must be ones that the states have room for.
static uint64_t payloadBytes(const Manifest &manifest,
                             const std::vector<SequenceHeader> &headers) {
  uint64_t total = headers.size() * sizeof(SequenceHeader);
  for (const SequenceHeader &header : headers) {
    total += uint64_t(header.position - header.known) * sizeof(int64_t);
    for (const State &state : manifest.states)
      total += filledBytes(state, 1, header.position);
  }
  return total;
}

void Session::snapshot(const std::string &path) const {
  if (manifest.states.empty())
    throw RuntimeError(HYBRID_INVALID_ARGUMENT, "the model has no states");
  std::vector<SequenceHeader> headers;
  for (const Sequence &sequence : sequences)
    headers.push_back({sequence.position, sequence.known});
  Header header = {};
  std::memcpy(header.magic, magic, sizeof(magic));
  std::memcpy(header.model, modelHash(manifest).data(), sizeof(header.model));
  header.batch = boundBatch;
  header.sequences = int64_t(headers.size());
  header.payloadBytes = payloadBytes(manifest, headers);
  try {
    OutputFile file(path);
    Hasher hasher;
    file.hasher = &hasher;
    file.write(&header, sizeof(header));
    file.write(headers.data(), headers.size() * sizeof(SequenceHeader));
    for (const Sequence &sequence : sequences)
      file.write(sequence.tokens.data(),
                 sequence.tokens.size() * sizeof(int64_t));
    std::vector<char> host;
    for (size_t i = 0; i < states.size(); ++i)
      for (size_t j = 0; j < sequences.size(); ++j)
        visitSequence(manifest.states[i], int64_t(j), sequences[j].position,
                      [&](uint64_t offset, uint64_t bytes) {
                        // States that no run has touched are zeros.
                        if (!states[i].data())
                          return file.zeros(bytes);
                        const char *data = states[i].data() + offset;
                        if (!device->sharesMemory()) {
                          host.resize(bytes);
                          device->read(host.data(), data, bytes);
                          data = host.data();
                        }
                        file.write(data, bytes);
                      });
    file.hasher = nullptr;
    file.write(hasher.hex().data(), hashBytes);
    file.sync();
    file.commit();
  } catch (const WriteError &error) {
    throw RuntimeError(HYBRID_IO_ERROR, error.message);
  }
}

[[noreturn]] static void refuse(HybridStatus status, const InputFile &file,
                                const std::string &why) {
  throw RuntimeError(status, "'" + file.path + "' " + why);
}

static void checkCapacity(const InputFile &file, int64_t value,
                          int64_t capacity, const char *what) {
  if (value > capacity)
    refuse(HYBRID_OVER_CAPACITY, file,
           "holds " + std::to_string(value) + what +
               ", the model was compiled for up to " +
               std::to_string(capacity));
}

/// Refuses what the session's model cannot hold.
static void checkHeader(const Header &header, const InputFile &file,
                        const Manifest &manifest, int64_t fixedBatch) {
  if (std::memcmp(header.magic, magic, sizeof(magic) - 1))
    refuse(HYBRID_BAD_FILE, file, "is not a snapshot");
  if (header.magic[7] != magic[7])
    refuse(HYBRID_INCOMPATIBLE, file,
           "has snapshot version " + std::to_string(int(header.magic[7])) +
               ", this runtime reads version " + std::to_string(int(magic[7])));
  if (std::memcmp(header.model, modelHash(manifest).data(),
                  sizeof(header.model)))
    refuse(HYBRID_INCOMPATIBLE, file, "is a snapshot of another model");
  if (header.batch < 0)
    refuse(HYBRID_BAD_FILE, file, "has a negative batch");
  if (fixedBatch && header.batch != fixedBatch)
    refuse(HYBRID_BAD_INPUT, file,
           "holds " + std::to_string(header.batch) +
               " sequences, the session was made for " +
               std::to_string(fixedBatch));
  if (manifest.batchSymbol >= 0)
    checkCapacity(file, header.batch,
                  manifest.symbols[manifest.batchSymbol].capacity,
                  " sequences");
  else if (header.batch)
    refuse(HYBRID_BAD_FILE, file, "holds a batch that the model does not have");
  if (header.sequences != (manifest.batchSymbol >= 0 ? header.batch : 1))
    refuse(HYBRID_BAD_FILE, file, "has a wrong number of sequences");
}

static void checkSequence(const SequenceHeader &header, const InputFile &file) {
  // Nothing else bounds what a damaged file says.
  if (header.known < 0 || header.position < header.known ||
      uint64_t(header.position - header.known) > file.fileBytes)
    refuse(HYBRID_BAD_FILE, file, "is truncated or damaged");
}

static void checkRoom(const SequenceHeader &header, const InputFile &file,
                      const Manifest &manifest) {
  if (manifest.pastSymbol >= 0)
    checkCapacity(file, header.position,
                  manifest.symbols[manifest.pastSymbol].capacity, " tokens");
  for (const State &state : manifest.states)
    if (state.lengthAxis >= 0)
      checkCapacity(file, header.position, state.dims[state.lengthAxis],
                    " tokens");
}

void Session::restore(const std::string &path) {
  if (manifest.states.empty())
    throw RuntimeError(HYBRID_INVALID_ARGUMENT, "the model has no states");
  Reader in(path);
  Header header;
  if (in.file.fileBytes < sizeof(header))
    refuse(HYBRID_BAD_FILE, in.file, "is not a snapshot");
  in.read(&header, sizeof(header));
  checkHeader(header, in.file, manifest, fixedBatch);
  std::vector<SequenceHeader> headers(size_t(header.sequences));
  in.read(headers.data(), headers.size() * sizeof(SequenceHeader));
  for (const SequenceHeader &sequence : headers)
    checkSequence(sequence, in.file);
  const uint64_t bytes = payloadBytes(manifest, headers);
  if (header.payloadBytes != bytes ||
      in.file.fileBytes != sizeof(header) + bytes + hashBytes)
    refuse(HYBRID_BAD_FILE, in.file,
           "has " + std::to_string(in.file.fileBytes) + " bytes, not " +
               std::to_string(sizeof(header) + bytes + hashBytes) +
               ": it is truncated or damaged");
  for (const SequenceHeader &sequence : headers)
    checkRoom(sequence, in.file, manifest);
  std::vector<Sequence> restored(headers.size());
  for (size_t j = 0; j < headers.size(); ++j) {
    restored[j].position = headers[j].position;
    restored[j].known = headers[j].known;
    restored[j].tokens.resize(size_t(headers[j].position - headers[j].known));
    in.read(restored[j].tokens.data(),
            restored[j].tokens.size() * sizeof(int64_t));
  }
  std::vector<DeviceMemory> fresh(states.size());
  std::vector<char> host;
  for (size_t i = 0; i < fresh.size(); ++i) {
    const State &state = manifest.states[i];
    fresh[i] = DeviceMemory::zeroed(*device, state.bytes(header.batch),
                                    "state '" + state.name + "'");
    for (size_t j = 0; j < headers.size(); ++j)
      visitSequence(state, int64_t(j), headers[j].position,
                    [&](uint64_t offset, uint64_t size) {
                      if (device->sharesMemory())
                        return in.read(fresh[i].data() + offset, size);
                      host.resize(size);
                      in.read(host.data(), size);
                      device->write(fresh[i].data() + offset, host.data(),
                                    size);
                    });
  }
  const std::string hash = in.hasher.hex();
  char stated[hashBytes];
  in.read(stated, sizeof(stated));
  if (std::memcmp(stated, hash.data(), sizeof(stated)))
    refuse(HYBRID_BAD_FILE, in.file, "is damaged: its hash does not match");
  states.swap(fresh);
  sequences.swap(restored);
  boundBatch = header.batch;
}
