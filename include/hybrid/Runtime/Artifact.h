//===- Artifact.h - reading and writing `.hyb` files ------------*- C++ -*-===//
//
// The container of a compiled model: an ELF shared object with the weights, the
// manifest and a seal appended (docs/artifact.md). The writer streams: its
// memory does not grow with the weights. The reader checks every offset against
// the file, whatever the file holds.
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_RUNTIME_ARTIFACT_H
#define HYBRID_RUNTIME_ARTIFACT_H

#include "hybrid/Runtime/InputFile.h"
#include "hybrid/Runtime/Manifest.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace hybrid {

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

/// Takes the next bytes of a chunk. Returns false when they cannot be written
/// (or are more than the chunk's size); the producer should then stop.
using ByteSink = std::function<bool(const void *data, size_t bytes)>;

/// A piece of the weights section.
struct WeightChunk {
  uint64_t offset; ///< in the section; a multiple of 64
  uint64_t size;   ///< in bytes
  /// Hands exactly `size` bytes, in order, in pieces of any size, to the sink.
  /// Returns an empty string, or what went wrong.
  std::function<std::string(const ByteSink &sink)> write;
};

/// Writes the artifact to `path`, through a temporary file beside it that is
/// renamed at the end, so that a failure leaves no file and an old file as it
/// was.
///
/// `elf`: the linked shared object. `manifestText`: JSON without "format",
/// "version", "abi", "trust", "weights_bytes" and "hashes", which are set here
/// (over what stands there). `weightsBytes`: the size of the weights section;
/// `chunks` may come in any order, must not overlap, and what they leave out is
/// zero.
///
/// Returns an empty string, or what went wrong. Throws nothing.
std::string writeArtifact(const std::string &path, const void *elf,
                          size_t elfBytes, const std::string &manifestText,
                          uint64_t weightsBytes,
                          const std::vector<WeightChunk> &chunks);

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

/// An open file whose structure, seal and manifest have been checked.
class ArtifactFile : public InputFile {
public:
  /// Throws RuntimeError: HYBRID_IO_ERROR, HYBRID_BAD_FILE, or
  /// HYBRID_INCOMPATIBLE for another version.
  explicit ArtifactFile(const std::string &path);

  /// Hashes the code; throws RuntimeError(HYBRID_BAD_FILE) when it differs.
  void checkCode() const;
  /// The same for the weights.
  void checkWeights() const;

  uint16_t machine = 0; ///< ELF e_machine
  uint64_t weightsOffset = 0, weightsBytes = 0;
  std::string manifestText;
  Manifest manifest;

private:
  void readSeal(uint64_t offset, uint64_t bytes);
};

} // namespace hybrid

#endif // HYBRID_RUNTIME_ARTIFACT_H
