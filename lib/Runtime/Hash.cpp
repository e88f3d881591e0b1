//===- Hash.cpp - hashes of artifacts -------------------------------------===//

#include "ArtifactFormat.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>
#include <elf.h>

using namespace hybrid;

struct Hasher::Impl {
  alignas(64) XXH3_state_t state;
};

Hasher::Hasher() : impl(new Impl) { XXH3_128bits_reset(&impl->state); }
Hasher::~Hasher() = default;

void Hasher::update(const void *data, size_t bytes) {
  XXH3_128bits_update(&impl->state, data, bytes);
}

std::string Hasher::hex() const {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&impl->state));
  static const char digits[] = "0123456789abcdef";
  std::string text;
  for (unsigned char byte : canonical.digest) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

std::string hybrid::hashManifest(const std::string &text,
                                 const std::string &value) {
  const std::string quoted = '"' + value + '"';
  const size_t at = text.find(quoted);
  if (value.size() != 32 || at == std::string::npos)
    return {};
  Hasher hasher;
  hasher.update(text.data(), at + 1);
  hasher.update(std::string(32, '0').data(), 32);
  hasher.update(text.data() + at + 33, text.size() - at - 33);
  return hasher.hex();
}

void hybrid::hashElfHeader(Hasher &hasher, const void *header) {
  Elf64_Ehdr copy;
  std::memcpy(&copy, header, sizeof(copy));
  copy.e_shoff = 0;
  copy.e_shnum = 0;
  copy.e_shstrndx = 0;
  hasher.update(&copy, sizeof(copy));
}
