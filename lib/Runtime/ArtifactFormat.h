//===- ArtifactFormat.h - constants of the `.hyb` container -----*- C++ -*-===//
//
// What reader and writer share about the container (docs/artifact.md).
//
//===----------------------------------------------------------------------===//

#ifndef HYBRID_LIB_RUNTIME_ARTIFACTFORMAT_H
#define HYBRID_LIB_RUNTIME_ARTIFACTFORMAT_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace hybrid {

constexpr char weightsSection[] = ".hybrid.weights";
constexpr char manifestSection[] = ".hybrid.manifest";
constexpr char sealSection[] = ".hybrid.seal";

/// The weights section starts at a multiple of this in the file.
constexpr uint64_t weightsAlignment = 4096;
/// Bounds what a hostile file can make the reader allocate.
constexpr uint64_t maxManifestBytes = uint64_t(64) << 20;
constexpr int64_t manifestVersion = 1;
constexpr char manifestFormat[] = "hybrid-artifact";

struct Seal {
  char magic[8];
  uint32_t abi;
  uint8_t codeBytes[8]; ///< little endian; not aligned
  uint8_t reserved[12];
};
static_assert(sizeof(Seal) == 32, "the seal is 32 bytes");

/// The last byte is the version of the container.
constexpr char sealMagic[8] = {'H', 'Y', 'B', 'R', 'I', 'D', '\0', '\1'};

/// XXH3-128 of a stream of bytes.
class Hasher {
public:
  Hasher();
  ~Hasher();
  void update(const void *data, size_t bytes);
  /// Lower-case hexadecimal, 32 characters.
  std::string hex() const;

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

/// The hash of a manifest's text: the first occurrence of `"` `value` `"` is
/// hashed as 32 zeros. Empty if it does not occur.
std::string hashManifest(const std::string &text, const std::string &value);

/// What a manifest's text states as its hash; empty if it is not JSON or states
/// none.
std::string statedManifestHash(const std::string &text);

/// Feeds the ELF header to the hash, with the three fields that describe the
/// section header table as zeros: they alone change when sections are appended.
void hashElfHeader(Hasher &hasher, const void *header);

} // namespace hybrid

#endif // HYBRID_LIB_RUNTIME_ARTIFACTFORMAT_H
